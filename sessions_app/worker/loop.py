"""The worker as a process: passes at an interval, several sessions at a time, until it is told to stop."""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from sessions_app.gateway import heartbeats
from sessions_app.gateway.recordings.keeper import Keeper
from sessions_app.logins import service
from sessions_app.worker import clock, cuts, lease, passes
from sessions_app.worker.health import heartbeat
from sessions_app.worker.knock import Knocker
from sessions_app.worker.scheduler import Crew
from sessions_app.worker.search import Searcher

logger = logging.getLogger(__name__)

CUTS_EVERY = 5.0  # seconds between looks for cuts that nobody finished
LOGINS_EVERY = 60.0  # seconds between looks for expired login sessions


def run(stop: threading.Event, *, interval: float, threads: int) -> None:
    """Work until `stop` is set, then finish the steps that are under way.

    A slow resource occupies a few of `threads` (crew.py), never the pass: sessions that somebody is at are not due.
    While the database cannot be reached the worker says so and waits.
    """
    owner = lease.new_owner()
    next_cuts = next_logins = next_beat = next_reap = 0.0
    reaper = heartbeats.Reaper()
    crew = Crew(threads, lambda pk: _visit(pk, owner, stop))
    keeper = Keeper(stop)
    keeper.start()
    times = clock.Watch()
    knocker = Knocker(stop)
    knocker.start()
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
                crew.offer(passes.due_with_resources(timezone.now()))
                if time.monotonic() >= next_cuts:
                    cuts.finish(timezone.now())
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
        crew.finish()
        keeper.finish()
        knocker.finish()
        searcher.finish()
    try:
        heartbeat.stopped(owner)
    except (DatabaseError, InterfaceError):
        logger.exception("That worker %s stopped could not be noted; it will look as if it had died", owner)
    logger.info("Worker %s stopped", owner)


def _visit(pk: int, owner: str, stop: threading.Event) -> None:
    if stop.is_set():
        return
    close_old_connections()
    passes.visit(pk, owner, timezone.now)
