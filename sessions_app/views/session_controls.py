"""What was asked of a session's enforcers and what each of them says: the worker for the host, gateways for theirs."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter

from django.db.models import Q
from django.utils import timezone
from django.utils.safestring import SafeString

from activity.listing import badge, moment
from sessions_app.health.gateways import SILENT_AFTER
from sessions_app.models import ControlRequest, GatewayConnection, GatewayHeartbeat, PrivilegedSession

CONTROLS_LENGTH = 20
MOST_CONNECTIONS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """A gateway that has not confirmed for so many connections. `silent_since`: it is gone, and last spoke then."""

    gateway: str
    count: int
    is_gone: bool
    silent_since: str


@dataclasses.dataclass(frozen=True, slots=True)
class ControlShown:
    """One request, and how gateways stand to it: confirmed for `confirmed` of `connections` that it concerns."""

    request: ControlRequest
    connections: int
    confirmed: int
    confirmed_at: str
    waiting: tuple[Waiting, ...]

    @property
    def state(self) -> SafeString:
        """The one word for it: what the slowest of its enforcers says."""
        if any(one.is_gone for one in self.waiting):
            return badge("warning", "Unconfirmed", "warning")
        if self.request.dropped_at:
            return badge("plain", "Dropped", "x")
        if self.request.enforced_at and not self.waiting:
            return badge("success", "Enforced", "check")
        return badge("warning" if self.request.last_error else "info", "Requested", "hourglass")


def controls_shown(session: PrivilegedSession) -> list[ControlShown]:
    """The latest first. At most three queries."""
    requests = list(
        ControlRequest.objects.filter(session=session).select_related("requested_by").order_by("-pk")[:CONTROLS_LENGTH]
    )
    if not requests:
        return []
    connections = list(
        GatewayConnection.objects.filter(
            Q(ended_at=None) | Q(ended_at__gte=requests[-1].requested_at),
            session=session,
            started_at__lte=requests[0].requested_at,
        ).order_by("-pk")[:MOST_CONNECTIONS]
    )
    spoke: dict[str, dt.datetime] = {}
    if any(one.ended_at is None and one.confirmed_control < requests[0].pk for one in connections):
        owners = {one.gateway for one in connections}
        spoke = dict(GatewayHeartbeat.objects.filter(owner__in=owners).values_list("owner", "seen_at"))
    return [_shown(request, connections, spoke) for request in requests]


def _shown(
    request: ControlRequest, connections: list[GatewayConnection], spoke: dict[str, dt.datetime]
) -> ControlShown:
    """A connection that ended after the request has nothing left to enforce, so it counts as confirmed."""
    asked = request.requested_at
    concerned = [
        one for one in connections if one.started_at <= asked and (one.ended_at is None or one.ended_at >= asked)
    ]
    open_ones = [one for one in concerned if one.ended_at is None and one.confirmed_control < request.pk]
    moments = [one.confirmed_at for one in concerned if one.confirmed_control == request.pk and one.confirmed_at]
    return ControlShown(
        request=request,
        connections=len(concerned),
        confirmed=len(concerned) - len(open_ones),
        confirmed_at=moment(max(moments)) if moments and not open_ones else "",
        waiting=tuple(
            _waiting(gateway, count, spoke.get(gateway))
            for gateway, count in sorted(Counter(one.gateway for one in open_ones).items())
        ),
    )


def _waiting(gateway: str, count: int, seen_at: dt.datetime | None) -> Waiting:
    is_gone = seen_at is None or timezone.now() - seen_at > SILENT_AFTER
    return Waiting(gateway, count, is_gone, moment(seen_at) if is_gone and seen_at else "")
