"""Visits a host at once that answers again: whoever waits for their next try there is due now.

A thread of its own, because silent hosts take seconds to ask.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from sessions_app.hosts.connectors.ssh.knock import Knocks
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.models import ControlRequest, PrivilegedSession

EVERY = 2.0  # seconds between looks

logger = logging.getLogger(__name__)


class Knocker:
    """Works until `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._knocks = Knocks()
        self._thread = threading.Thread(target=self._run, name="knock")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Wait for the look that is under way."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            close_old_connections()
            try:
                self.look()
            except (DatabaseError, InterfaceError):
                logger.exception("Which hosts are waited for could not be read; trying again")
        connection.close()  # this thread's own

    def look(self) -> int:
        """Ask the silent hosts at which sessions had trouble. Return how many answer again."""
        troubled = _troubled()
        hosts = {(address, port) for address, port, _ in troubled}
        back = set(self._knocks.came_back(hosts)) if hosts else set()
        if back:
            visit_now({pk for address, port, pk in troubled if (address, port) in back})
        return len(back)


def _troubled() -> list[tuple[str, int, int]]:
    """Address, port and number of the resources where an open session had trouble, or what was asked of it."""
    fields = ("resource__address", "resource__port", "resource")
    sessions = PrivilegedSession.objects.filter(ended_at=None, resource__connector="ssh").order_by()
    found = set(sessions.exclude(last_error="").values_list(*fields))
    asked = ControlRequest.objects.filter(
        session__ended_at=None, session__resource__connector="ssh", enforced_at=None, dropped_at=None
    ).exclude(last_error="")
    found |= set(asked.values_list(*(f"session__{name}" for name in fields)))
    return sorted(found)


def visit_now(resources: Iterable[int]) -> None:
    """Let every session on these resources, and what was asked of it, be due now."""
    logger.info("Hosts answer again, and are visited at once: resources %s", sorted(resources))
    sessions = PrivilegedSession.objects.filter(ended_at=None, resource__in=resources)
    sessions.exclude(last_error="").update(next_attempt_at=None, next_monitor_at=None)
    asked = ControlRequest.objects.filter(session__ended_at=None, session__resource__in=resources)
    asked.filter(enforced_at=None, dropped_at=None).update(next_attempt_at=None)
    HostWatch.objects.filter(resource__in=resources).update(began_at=None)
