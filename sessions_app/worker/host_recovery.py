"""Notice hosts that answer again, and make due at once what waits for its next attempt there.

This has a thread of its own, because asking silent hosts takes seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from sessions_app.catalogue.connectors import names_where
from sessions_app.hosts.connectors.ssh.knock import SilentHosts
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.models import ControlRequest, PrivilegedSession
from sessions_app.repeating import RepeatingThread

logger = logging.getLogger(__name__)


class RecoveryWatcher(RepeatingThread):
    """The thread that looks for hosts that answer again."""

    name = "host-recovery"
    every = 2.0
    problem = "Which hosts are waited for could not be read"

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(stop)
        self._silent_hosts = SilentHosts()

    def look(self) -> int:
        """Ask the silent hosts at which sessions had trouble. Return how many answer again."""
        troubled = _troubled()
        hosts = {(address, port) for address, port, _ in troubled}
        back = set(self._silent_hosts.came_back(hosts)) if hosts else set()
        if back:
            make_due({pk for address, port, pk in troubled if (address, port) in back})
        return len(back)


def _troubled() -> list[tuple[str, int, int]]:
    """Return address, port and id of the resources at which an open session, or a request for it, failed last."""
    fields = ("resource__address", "resource__port", "resource")
    hosts = names_where(lambda one: one.is_host)
    sessions = PrivilegedSession.objects.filter(ended_at=None, resource__connector__in=hosts).order_by()
    found = set(sessions.exclude(last_error="").values_list(*fields))
    asked = ControlRequest.objects.filter(
        session__ended_at=None, session__resource__connector__in=hosts, enforced_at=None, dropped_at=None
    ).exclude(last_error="")
    found |= set(asked.values_list(*(f"session__{name}" for name in fields)))
    return sorted(found)


def make_due(resources: Iterable[int]) -> None:
    """Let every open session on these resources, and every request for one, be due now."""
    logger.info("Hosts answer again, and are visited at once: resources %s", sorted(resources))
    sessions = PrivilegedSession.objects.filter(ended_at=None, resource__in=resources)
    sessions.exclude(last_error="").update(next_attempt_at=None, next_monitor_at=None)
    asked = ControlRequest.objects.filter(session__ended_at=None, session__resource__in=resources)
    asked.filter(enforced_at=None, dropped_at=None).update(next_attempt_at=None)
    HostWatch.objects.filter(resource__in=resources).update(began_at=None)
