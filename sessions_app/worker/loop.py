"""The worker as a process: it makes a pass at an interval, several sessions at a time, until it is stopped."""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from sessions_app.gateway import heartbeats
from sessions_app.gateway.recordings.maintenance import RecordingMaintenance
from sessions_app.logins import service
from sessions_app.worker import clock, lease, lockdowns, passes
from sessions_app.worker.health import heartbeat
from sessions_app.worker.host_recovery import RecoveryWatcher
from sessions_app.worker.scheduler import Scheduler
from sessions_app.worker.search import Searcher

logger = logging.getLogger(__name__)

CUTS_EVERY = 5.0  # seconds between looks for unfinished disconnections
LOGINS_EVERY = 60.0  # seconds between looks for expired login sessions


def run(stop: threading.Event, *, interval: float, threads: int) -> None:
    """Work until `stop` is set, then finish the steps that are under way.

    `interval` is in seconds. A slow resource occupies a few of the `threads` (scheduler.py) and never the pass:
    sessions that a worker holds are not due. While the database cannot be reached, the worker logs that and waits.
    """
    owner = lease.new_owner()
    next_cuts = next_logins = next_beat = next_reap = 0.0
    reaper = heartbeats.Reaper()
    scheduler = Scheduler(threads, lambda pk: _handle(pk, owner, stop))
    maintenance = RecordingMaintenance(stop)
    maintenance.start()
    times = clock.ClockWatch()
    recovery = RecoveryWatcher(stop)
    recovery.start()
    searcher = Searcher(stop)
    searcher.start()
    logger.info("Worker %s is running", owner)
    try:
        while not stop.is_set():
            close_old_connections()
            try:
                if time.monotonic() >= next_beat:
                    heartbeat.beat(owner)
                    next_beat = time.monotonic() + heartbeat.BEAT_EVERY
                times.look()
                scheduler.offer(passes.due_with_resources(timezone.now()))
                if time.monotonic() >= next_cuts:
                    lockdowns.finish(timezone.now())
                    next_cuts = time.monotonic() + CUTS_EVERY
                if time.monotonic() >= next_logins:
                    service.end_expired()
                    next_logins = time.monotonic() + LOGINS_EVERY
                if time.monotonic() >= next_reap:
                    reaper.look()
                    next_reap = time.monotonic() + heartbeats.REAP_EVERY
            except (DatabaseError, InterfaceError):
                logger.exception("The database did not answer; trying again")
            stop.wait(interval)
    finally:
        logger.info("Worker %s finishes what is under way", owner)
        scheduler.finish()
        maintenance.finish()
        recovery.finish()
        searcher.finish()
    try:
        heartbeat.stopped(owner)
    except (DatabaseError, InterfaceError):
        logger.exception("That worker %s stopped could not be noted; it will look as if it had died", owner)
    logger.info("Worker %s stopped", owner)


def _handle(pk: int, owner: str, stop: threading.Event) -> None:
    if stop.is_set():
        return
    close_old_connections()
    passes.handle(pk, owner, timezone.now)
