"""Note what was enforced, by whom, and from when to when: by the host, as the worker says, and by each gateway.

These are two facts with times of their own. A lock that a gateway confirmed and an unlock ended five seconds later was
in force for five seconds there, even if the host never heard of it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Case, Exists, F, OuterRef, QuerySet, Value, When

from activity import log
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app.gateway.models import GatewayConnection, GatewayEnforcement
from sessions_app.privileged.flows.control import FREEZING, replaced_by
from sessions_app.privileged.models import ControlKind, ControlRequest, PrivilegedSession

DONE = {
    ControlKind.LOCK: "The lock is in force",
    ControlKind.UNLOCK: "The lock is lifted",
    ControlKind.DISCONNECT: "All connections are cut",
    ControlKind.EXTEND: "The new End is in force",
}


@dataclass(frozen=True, slots=True)
class Observation:
    """What one gateway saw on one connection: requests with numbers above `after`, up to `newest`."""

    connection_id: int
    session_id: int
    gateway: str
    after: int
    newest: int
    is_frozen: bool


def by_host(request: ControlRequest, session: PrivilegedSession, at: dt.datetime, remarks: str = "") -> bool:
    """Note that the host carried the request out, and that older ones are no longer in force there.

    This also holds when a newer request superseded it meanwhile. `remarks` says what it does not reach there, or
    reaches beside the session. Return whether it was new.
    """
    is_open = ControlRequest.objects.filter(pk=request.pk, enforced_at=None)
    if not is_open.update(enforced_at=at, last_error="", host_remarks=remarks[:500]):
        return False
    older = _on_host(session).filter(kind__in=replaced_by(request.kind), pk__lt=request.pk)
    ended = list(older.order_by("pk"))
    older.update(enforced_until=at)
    request.refresh_from_db(fields=["superseded_by"])
    newer = f", and superseded by {request.superseded_by.get_kind_display()}" if request.superseded_by else ""
    but = f". On the host: {remarks[:500]}" if remarks else ""
    log.record(
        Verb.CONTROL_ENFORCED,
        f"{DONE[ControlKind(request.kind)]} on {session.resource_name}{_were(ended, at, 'host')}{newer}{but}",
        user=session.user,
        target=session,
        details={
            "by": "host",
            "control": request.pk,
            "host_remarks": remarks[:500],
            "ended": [_span(one.pk, one.enforced_at, at) for one in ended],
        },
    )
    return True


def end_on_host(session: PrivilegedSession, at: dt.datetime) -> None:
    """Note that nothing is in force on the host any more, because the session's rights are taken away."""
    ended = list(_on_host(session).order_by("pk"))
    _on_host(session).update(enforced_until=at)
    locks = [one for one in ended if one.kind == ControlKind.LOCK]
    if locks:
        log.record(
            Verb.CONTROL_ENFORCED,
            f"The rights are gone from {session.resource_name}{_were(locks, at, 'host')}",
            user=session.user,
            target=session,
            details={"by": "host", "ended": [_span(one.pk, one.enforced_at, at) for one in locks]},
        )


def by_gateway(seen: Sequence[Observation], at: dt.datetime) -> None:
    """Note what gateways enforce on these connections since now, and end what that replaces.

    Of several requests that a gateway saw in one look only the newest was ever in force there.
    """
    sessions = {one.session_id for one in seen}
    asked: dict[int, list[ControlRequest]] = {}
    controls = ControlRequest.objects.filter(session__in=sessions, pk__gt=min(one.after for one in seen))
    for control in controls.order_by("pk"):
        asked.setdefault(control.session_id, []).append(control)
    counts: Counter[tuple[int, str]] = Counter()
    for one in seen:
        counts.update((pk, one.gateway) for pk in _in_force(one, asked.get(one.session_id, [])))
    if not counts:
        return
    rows = GatewayEnforcement.objects.filter(control__in={pk for pk, _ in counts})
    before = set(rows.values_list("control_id", "gateway"))
    GatewayEnforcement.objects.bulk_create(
        [GatewayEnforcement(control_id=pk, gateway=gateway, began_at=at) for pk, gateway in counts],
        ignore_conflicts=True,
    )
    added = (When(control=pk, gateway=gateway, then=Value(number)) for (pk, gateway), number in counts.items())
    rows.update(connections=F("connections") + Case(*added, default=Value(0)))
    ended = _end_replaced(sessions, at)
    without_connections(sessions, at)
    _tell(sessions, {key: counts[key] for key in counts if key not in before}, asked, ended, at)


def without_connections(sessions: Iterable[int], at: dt.datetime) -> None:
    """End what gateways enforced on sessions that have no connection any more."""
    there = GatewayConnection.objects.open().filter(session=OuterRef("control__session"), gateway=OuterRef("gateway"))
    over = GatewayEnforcement.objects.filter(~Exists(there), control__session__in=list(sessions), ended_at=None)
    GatewayEnforcement.objects.filter(pk__in=over.values("pk")).update(ended_at=at)


def _on_host(session: PrivilegedSession) -> QuerySet[ControlRequest]:
    """Return the requests that are in force on the host. A disconnection is over when it is done."""
    held = ControlRequest.objects.filter(session=session, enforced_until=None).exclude(kind=ControlKind.DISCONNECT)
    return held.exclude(enforced_at=None)


def _in_force(one: Observation, asked: Sequence[ControlRequest]) -> list[int]:
    """Return the numbers of the newest lock or unlock, the newest extension and the newest disconnection."""
    newest: dict[tuple[ControlKind, ...], ControlRequest] = {}
    for control in asked:
        if one.after < control.pk <= one.newest:
            newest[replaced_by(control.kind)] = control
    return [control.pk for control in newest.values() if control.kind != ControlKind.LOCK or one.is_frozen]


def _end_replaced(sessions: Iterable[int], at: dt.datetime) -> dict[tuple[int, str], list[GatewayEnforcement]]:
    """End what a newer request replaced at the same gateway. Return it by session and gateway."""
    ended: dict[tuple[int, str], list[GatewayEnforcement]] = {}
    for kinds in (FREEZING, (ControlKind.EXTEND,)):
        newer = GatewayEnforcement.objects.filter(
            gateway=OuterRef("gateway"),
            control__session=OuterRef("control__session"),
            control__kind__in=kinds,
            control__gt=OuterRef("control"),
        )
        found = GatewayEnforcement.objects.filter(
            Exists(newer), control__session__in=sessions, control__kind__in=kinds, ended_at=None
        ).select_related("control")
        for one in found:
            ended.setdefault((one.control.session_id, one.gateway), []).append(one)
    numbers = [one.pk for rows in ended.values() for one in rows]
    GatewayEnforcement.objects.filter(pk__in=numbers).update(ended_at=at)
    return ended


def _tell(
    sessions: Iterable[int],
    new: dict[tuple[int, str], int],
    asked: dict[int, list[ControlRequest]],
    ended: dict[tuple[int, str], list[GatewayEnforcement]],
    at: dt.datetime,
) -> None:
    """Record one log entry for each request that came into force at a gateway."""
    by_id = PrivilegedSession.objects.select_related("user").in_bulk(list(sessions))
    controls = {control.pk: control for rows in asked.values() for control in rows}
    entries = []
    for (pk, gateway), number in sorted(new.items()):
        control = controls[pk]
        session = by_id[control.session_id]
        kinds = replaced_by(control.kind)
        before = [one for one in ended.get((session.pk, gateway), []) if one.control.kind in kinds]
        replaced = "".join(_was(one.control.kind, one.began_at, at, "gateway") for one in before)
        connections = f"{number} connection{'' if number == 1 else 's'}"
        entries.append(
            log.draft(
                Verb.CONTROL_ENFORCED,
                f"{DONE[ControlKind(control.kind)]} in the gateway {gateway} for {connections} to "
                f"{session.resource_name}{replaced}",
                user=session.user,
                target=session,
                details={
                    "by": "gateway",
                    "gateway": gateway,
                    "control": pk,
                    "connections": number,
                    "ended": [_span(one.control_id, one.began_at, at) for one in before],
                },
            )
        )
    log.record_all(entries)


def _were(ended: Iterable[ControlRequest], until: dt.datetime, by: str) -> str:
    return "".join(_was(one.kind, one.enforced_at, until, by) for one in ended if one.enforced_at)


def _was(kind: str, since: dt.datetime, until: dt.datetime, by: str) -> str:
    """Return words for what is over; empty for an unlock, whose duration nobody needs."""
    if kind == ControlKind.UNLOCK:
        return ""
    name = ControlKind(kind).label
    return f"; {name} was in force {time_value(since)} to {time_value(until)} ({by})"


def _span(pk: int, since: dt.datetime | None, until: dt.datetime) -> dict[str, str | int]:
    return {"control": pk, "from": since.isoformat() if since else "", "to": until.isoformat()}
