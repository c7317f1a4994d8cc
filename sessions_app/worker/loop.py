"""The worker as a process: it makes a pass at an interval, several sessions at a time, until it is stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from activity.outage import Outage
from sessions_app.gateway import heartbeats
from sessions_app.gateway.recordings.maintenance import RecordingMaintenance
from sessions_app.logins import service
from sessions_app.not_me.flows.new_password import forget_void_passwords
from sessions_app.repeating import RegularTask, RepeatingThread
from sessions_app.reviews.mail import remind_reviewers
from sessions_app.worker import clock, lease, lockdowns, passes
from sessions_app.worker.exporter import Exporter
from sessions_app.worker.health import heartbeat
from sessions_app.worker.host_recovery import RecoveryWatcher
from sessions_app.worker.idle_accounts import disable_idle_accounts
from sessions_app.worker.mails import Mailer
from sessions_app.worker.publisher import Publisher
from sessions_app.worker.retention import RetentionKeeper
from sessions_app.worker.scheduler import Scheduler
from sessions_app.worker.sealer import Sealer
from sessions_app.worker.search import Searcher
from sessions_app.worker.siem import Forwarder

logger = logging.getLogger(__name__)

CUTS_EVERY = 5.0  # seconds between looks for unfinished disconnections
IDLE_EVERY = 600.0  # seconds between looks for accounts that nobody uses
LOGINS_EVERY = 60.0  # seconds between looks for login sessions that are expired, or outside the hours of a login rule
REMINDERS_EVERY = 600.0  # seconds between looks for access reviews whose reviewers are reminded today
VOID_EVERY = 3600.0  # seconds between looks for hashes of void passwords that are too old


def run(stop: threading.Event, *, interval: float, threads: int) -> None:
    """Work until `stop` is set, then finish the steps that are under way.

    `interval` is in seconds. A slow resource occupies a few of the `threads` (scheduler.py) and never the pass:
    sessions that a worker holds are not due. While the database cannot be reached, the worker logs that and waits.
    """
    owner = lease.new_owner()
    scheduler = Scheduler(threads, lambda pk: _handle(pk, owner, stop))
    a_pass = (
        # First, because a worker is alive also while its other work fails.
        RegularTask(heartbeat.BEAT_EVERY, lambda: heartbeat.beat(owner)).look,
        clock.ClockWatch().look,
        lambda: scheduler.offer(passes.due_with_resources(timezone.now())),
        *(task.look for task in _regular_tasks()),
    )
    background = _background(stop, owner)
    for thread in background:
        thread.start()
    logger.info("Worker %s is running", owner)
    try:
        while not stop.is_set():
            close_old_connections()
            _do_each(a_pass)
            stop.wait(interval)
    finally:
        logger.info("Worker %s finishes what is under way", owner)
        scheduler.finish()
        for thread in background:
            thread.finish()
    try:
        heartbeat.stopped(owner)
    except (DatabaseError, InterfaceError):
        logger.exception("The end of worker %s could not be written, so it will look as if it had died", owner)
    logger.info("Worker %s stopped", owner)


def _regular_tasks() -> Sequence[RegularTask]:
    return (
        RegularTask(CUTS_EVERY, lambda: lockdowns.finish(timezone.now())),
        RegularTask(LOGINS_EVERY, service.end_expired),
        RegularTask(LOGINS_EVERY, service.end_outside_hours),
        RegularTask(IDLE_EVERY, disable_idle_accounts),
        RegularTask(VOID_EVERY, forget_void_passwords),
        RegularTask(REMINDERS_EVERY, remind_reviewers),
        RegularTask(heartbeats.REAP_EVERY_SECONDS, heartbeats.Reaper().look),
    )


def _background(stop: threading.Event, owner: str) -> Sequence[RepeatingThread]:
    return (
        RecordingMaintenance(stop),
        RecoveryWatcher(stop),
        Searcher(stop),
        Mailer(stop),
        Sealer(stop, owner),
        Publisher(stop),
        Forwarder(stop, owner),
        Exporter(stop),
        RetentionKeeper(stop),
    )


def _do_each(a_pass: Sequence[Callable[[], object]]) -> None:
    """Do everything of a pass. What fails keeps nothing else from being done, and is tried again by the next pass."""
    for work in a_pass:
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            logger.exception("The database did not answer; trying again")
            if Outage.of(error) is Outage.AWAY:
                return  # the others would only wait for it too
        except Exception:
            logger.exception("A part of the pass failed; trying again")


def _handle(pk: int, owner: str, stop: threading.Event) -> None:
    if stop.is_set():
        return
    close_old_connections()
    passes.handle(pk, owner, timezone.now)
