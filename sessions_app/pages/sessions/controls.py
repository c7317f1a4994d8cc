"""What was requested from those who enforce a session, and what each of them reports: the worker and the gateways."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter

from django.db.models import Prefetch, Q
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.listing import badge, moment, short_time
from sessions_app.gateway.heartbeats import SILENT_AFTER
from sessions_app.gateway.models import GatewayConnection, GatewayEnforcement, GatewayHeartbeat
from sessions_app.privileged.models import ControlKind, ControlRequest, PrivilegedSession

CONTROLS_LENGTH = 20
MOST_CONNECTIONS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class UnconfirmedGateway:
    """A gateway that has not confirmed the request for some connections.

    With `silent_since` the gateway has stopped, and reported last at that time.
    """

    gateway: str
    count: int
    is_gone: bool
    silent_since: str


@dataclasses.dataclass(frozen=True, slots=True)
class Enforced:
    """Where a control was enforced, and from when until when: "since ..." while it is in force."""

    span: str
    gateway: str = ""  # empty for the host
    connections: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class ControlShown:
    """One control request, where it is or was enforced, and what the gateways report.

    They have confirmed it for `confirmed` of the `connections` that it concerns.
    """

    request: ControlRequest
    connections: int
    confirmed: int
    confirmed_at: str
    waiting: tuple[UnconfirmedGateway, ...]
    by_gateways: tuple[Enforced, ...]
    by_host: Enforced | None
    end: str  # why it is over; empty if it is not

    @property
    def is_open(self) -> bool:
        """Return whether the host has not carried it out yet."""
        return not self.request.enforced_at and not self.request.dropped_at

    @property
    def was_in_force(self) -> bool:
        """Return whether anything enforced it at any time."""
        return bool(self.by_gateways or self.by_host)

    @property
    def state(self) -> SafeString:
        """Return one word for its state, which is that of the slowest enforcer."""
        if any(one.is_gone for one in self.waiting):
            return badge("warning", "Unconfirmed", "warning")
        if self.request.superseded_by_id and self.request.kind != ControlKind.DISCONNECT:
            return badge("plain", "Superseded" if self.was_in_force else "Never in force", "x")
        if self.request.enforced_at and not self.waiting:
            return badge("success", "Enforced", "check")
        if self.request.dropped_at:
            return badge("plain", "Over" if self.was_in_force else "Never in force", "x")
        return badge("warning" if self.request.last_error else "info", "Requested", "hourglass")


def controls_shown(session: PrivilegedSession) -> list[ControlShown]:
    """Return the control requests of the session, newest first, with at most four queries."""
    requests = list(
        ControlRequest.objects.filter(session=session)
        .select_related("requested_by", "superseded_by")
        .prefetch_related(Prefetch("gateways", GatewayEnforcement.objects.order_by("pk")))
        .order_by("-pk")[:CONTROLS_LENGTH]
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
    """Return the request as it is shown.

    A connection that ended after the request counts as confirmed, because it has nothing left to enforce.
    """
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
        confirmed_at=short_time(max(moments)) if moments and not open_ones else "",
        waiting=tuple(
            _waiting(gateway, count, spoke.get(gateway))
            for gateway, count in sorted(Counter(one.gateway for one in open_ones).items())
        ),
        by_gateways=_by_gateways(request),
        by_host=_by_host(request),
        end=_end(request),
    )


def _by_gateways(request: ControlRequest) -> tuple[Enforced, ...]:
    return tuple(
        Enforced(_span(request, one.began_at, one.ended_at), one.gateway, one.connections)
        for one in request.gateways.all()
    )


def _by_host(request: ControlRequest) -> Enforced | None:
    if request.enforced_at is None:
        return None
    return Enforced(_span(request, request.enforced_at, request.enforced_until))


def _span(request: ControlRequest, since: dt.datetime, until: dt.datetime | None) -> str:
    """Return when it was in force. A cut is done at one moment."""
    begin = short_time(since)
    if request.kind == ControlKind.DISCONNECT:
        return begin
    if until is None:
        return format_html("since {}", begin)
    day, end = moment(since)[:10], moment(until)
    return format_html("{} to {}", begin, end[11:] if end[:10] == day else end)


def _end(request: ControlRequest) -> str:
    if request.superseded_by:
        return f"superseded by {request.superseded_by.get_kind_display()}"
    return "the session ended" if request.dropped_at or request.enforced_until else ""


def _waiting(gateway: str, count: int, seen_at: dt.datetime | None) -> UnconfirmedGateway:
    is_gone = seen_at is None or timezone.now() - seen_at > SILENT_AFTER
    return UnconfirmedGateway(gateway, count, is_gone, short_time(seen_at) if is_gone and seen_at else "")
