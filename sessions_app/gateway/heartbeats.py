"""The heartbeats of gateways, and the reaper that marks the connections of dead ones as lost.

This module does not know what a gateway does. Workers and gateways run the reaper; the page Health and `doctor` show
the heartbeats.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable

from sessions_app.gateway.flows.lost_connections import lose_connections
from sessions_app.gateway.models import GatewayConnection, GatewayHeartbeat

logger = logging.getLogger(__name__)

BEAT_EVERY_SECONDS = 5.0
SILENT_AFTER = dt.timedelta(seconds=15)
REAP_EVERY_SECONDS = 1.0
CHECK_GAP_SECONDS = 5.0  # seconds without a check, after which the results of earlier checks no longer count


def beat(owner: str, *, is_draining: bool = False) -> None:
    """Note that this gateway is running."""
    GatewayHeartbeat.beat(owner, is_draining=is_draining)


def stopped(owner: str) -> None:
    """Note that this gateway stopped in order."""
    GatewayHeartbeat.stopped(owner)


def running() -> list[GatewayHeartbeat]:
    """Return the gateways that were seen in the last 15 seconds, the oldest first."""
    return GatewayHeartbeat.seen_within(SILENT_AFTER)


class Reaper:
    """Notices dead gateways, for one process that looks about once a second.

    A gateway is dead when its heartbeat has not changed for 15 seconds of *our* monotonic clock while we were looking.
    So neither a machine with a wrong clock nor a database that was away for a minute makes a gateway dead.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at = clock()
        self._still_since: dict[str, tuple[dt.datetime | None, float]] = {}  # owner: its last heartbeat, since when

    def look(self) -> int:
        """Mark the connections of dead gateways as lost. Return how many there were."""
        now = self._clock()
        owners = set(GatewayConnection.objects.open().order_by().values_list("gateway", flat=True).distinct())
        beats = dict(GatewayHeartbeat.objects.filter(owner__in=owners).values_list("owner", "seen_at"))
        before = self._still_since if now - self._looked_at <= CHECK_GAP_SECONDS else {}
        self._looked_at, self._still_since = now, {}
        lost = 0
        for owner in sorted(owners):
            seen_at = beats.get(owner)
            known, since = before.get(owner, (None, now))
            if owner not in before or known != seen_at:
                since = now
            if now - since <= SILENT_AFTER.total_seconds():
                self._still_since[owner] = (seen_at, since)
                continue
            count = lose_connections(owner, seen_at)
            if count:
                logger.warning("Gateway %s is gone; its %s open connections are noted as lost", owner, count)
            lost += count
        return lost
