"""Compare the clocks of this process, web processes, workers, gateways and hosts.

Web processes, workers and gateways note with each heartbeat how far their clock is from the database's, and workers
note the clocks of hosts.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import socket
from collections.abc import Iterator

from django.db.models import Q
from django.db.models.functions import Abs
from django.utils import timezone

from sessions_app import database_clock
from sessions_app.gateway import heartbeats
from sessions_app.gateway.models import GatewayHeartbeat
from sessions_app.hosts.host_watch import CLOCK_IS_OFF, clock_words
from sessions_app.hosts.models import HostWatch
from sessions_app.worker.health import heartbeat
from sessions_app.worker.health.findings import Finding, ok, warning
from sessions_app.worker.models import WebHeartbeat, WorkerHeartbeat

APART = 2.0  # seconds from which on people are warned of a process
MOST_CLOCKS = 10  # hosts that are named
REMEDY = "Let the hosts, the database and all machines of the console take their time from one place (NTP)."


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """Whose clock it is, and by how many seconds it is ahead of the database's."""

    name: str
    ahead: float

    def __str__(self) -> str:
        return f"{self.name} {self.ahead:+.1f} s" if abs(self.ahead) >= 0.05 else f"{self.name} 0.0 s"


def clocks() -> Finding:
    """Check that the clocks of this process, web processes, workers, gateways, database and hosts agree."""
    here, ours, problems = database_clock.ahead_of_database(), list[Clock](), []
    if here is not None:
        ours = [Clock(f"this process on {socket.gethostname()}", here), *_noted(here)]
    worst = max(ours, key=lambda one: abs(one.ahead), default=None)
    if worst is not None and abs(worst.ahead) >= APART:
        side = "ahead of" if worst.ahead > 0 else "behind"
        problems.append(f"The clock of {worst.name} is {abs(worst.ahead):.1f} s {side} the database's.")
    if wrong := _wrong_hosts():
        problems.append(f"{', '.join(f'{name}: {clock_words(off)}' for name, off in wrong)}.")
    compared = (
        f"Compared with the database: {', '.join(map(str, ours))}." if ours else "The database has our own clock."
    )
    if problems:
        return warning("Clocks", f"{' '.join(problems)} {compared}", REMEDY)
    return ok("Clocks", f"{compared} {_hosts()}")


def _noted(here: float) -> Iterator[Clock]:
    """Yield the clocks of the processes that are running, by the database's time.

    The times of their heartbeats are those of their own clocks, which may be wrong.
    """
    now = timezone.now() - dt.timedelta(seconds=here)
    for model, what, silent in (
        (WebHeartbeat, "web process", heartbeat.SILENT_AFTER),
        (WorkerHeartbeat, "worker", heartbeat.SILENT_AFTER),
        (GatewayHeartbeat, "gateway", heartbeats.SILENT_AFTER),
    ):
        noted = model._default_manager.exclude(clock_ahead=None).order_by("started_at", "pk")
        for host, seen_at, ahead in noted.values_list("host", "seen_at", "clock_ahead"):
            if ahead is not None and seen_at - dt.timedelta(seconds=ahead) >= now - silent:
                yield Clock(f"{what} on {host}", ahead)


def _wrong_hosts() -> list[tuple[str, float]]:
    """Return the names of hosts whose clocks are a minute or more off, and by how much.

    Hosts say whole seconds, after a login that takes some, so a smaller difference would often be none.
    """
    off = Q(clock_off__gte=CLOCK_IS_OFF) | Q(clock_off__lte=-CLOCK_IS_OFF)
    rows = HostWatch.objects.filter(off, resource__is_active=True).order_by("resource__name")
    return [(name, ahead or 0.0) for name, ahead in rows.values_list("resource__name", "clock_off")[:MOST_CLOCKS]]


def _hosts() -> str:
    """Return which host's clock is the furthest from the console's."""
    seen = HostWatch.objects.filter(resource__is_active=True).exclude(clock_off=None)
    furthest = seen.order_by(Abs("clock_off").desc()).values_list("resource__name", "clock_off").first()
    if furthest is None:
        return "No host's clock was read yet."
    return f"No host's clock is a minute or more off; the furthest is {furthest[0]}, {clock_words(furthest[1] or 0.0)}."
