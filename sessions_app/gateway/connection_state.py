"""The database functions of control_loop.py: the state of every open connection, and what was enforced.

They are run by store.call() only. What must be enforced follows from these rows, never from a message.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import (
    BooleanField,
    Case,
    Exists,
    F,
    FilteredRelation,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from activity.compiled_query import CompiledQuery
from sessions_app.gateway.flows import enforced
from sessions_app.gateway.models import GatewayConnection
from sessions_app.privileged.models import ControlKind, ControlRequest, Status

ROWS_PER_UPDATE = 200  # rows of one UPDATE
Row = TypeVar("Row")
LOCK_IN_FORCE = Q(session__user__account_locks__lifted_at=None)  # at most one of an account, which the database ensures


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """An open connection and everything that decides about it."""

    connection_id: int
    session_id: int
    entry_point: str
    confirmed: int  # the newest ControlRequest that was confirmed here
    is_frozen: bool  # as confirmed
    newest: int  # ControlRequest of the session; 0: there was none
    is_disconnect_requested: bool  # a cut that was not confirmed here
    status: str
    end_at: dt.datetime | None
    end_reason: str
    lock_title: str
    lock_message: str
    can_extend: bool
    is_account_active: bool
    account_lock: str  # title of the lock of the account; empty: there is none
    account_lock_message: str
    is_key_gone: bool
    login_end: str  # why the login session it depends on is over; empty: it goes on, or there is none
    locked_by: str = ""  # who locked the session; empty: nobody, or nobody knows


def connection_states(gateway: str) -> list[ConnectionState]:
    """Return the state of every open connection of this gateway.

    One statement reads them, so that all is true at the same moment. It is run up to twenty times a second and most
    often nothing has changed, so the statement is compiled once.
    """
    _, rows = _STATES.rows(gateway=gateway)
    return [ConnectionState(*row) for row in rows]


def _facts(gateway: str) -> QuerySet[GatewayConnection, tuple[Any, ...]]:
    controls = ControlRequest.objects.filter(session=OuterRef("session"))
    cuts = controls.filter(kind=ControlKind.DISCONNECT, pk__gt=OuterRef("confirmed_control"))
    locks = controls.filter(kind=ControlKind.LOCK).order_by("-pk")
    locker = Subquery(locks.values(f"requested_by__{get_user_model().USERNAME_FIELD}")[:1])
    return (
        GatewayConnection.objects.open()
        .filter(gateway=gateway)
        .order_by()
        .annotate(locked=FilteredRelation("session__user__account_locks", condition=LOCK_IN_FORCE))
        .values_list(
            "pk",
            "session_id",
            "entry_point",
            "confirmed_control",
            "is_frozen",
            Coalesce(Subquery(controls.order_by("-pk").values("pk")[:1]), 0),
            Exists(cuts),
            "session__status",
            "session__end_at",
            "session__end_reason",
            "session__lock_title",
            "session__lock_message",
            _is(Q(session__extensions__lt=F("session__profile__extension_limit"))),
            "session__user__is_active",
            Coalesce("locked__title", Value("")),
            Coalesce("locked__message", Value("")),
            _is(Q(key=None) & ~Q(fingerprint="")),
            Coalesce("login_session__end_reason", Value("")),
            # Looked for only while there is a lock: this statement is run very often.
            Case(When(session__status=Status.LOCKED, then=Coalesce(locker, Value(""))), default=Value("")),
        )
    )


def _is(condition: Q) -> Case:
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())


_STATES = CompiledQuery(GatewayConnection, _facts, gateway=str)


@dataclass(frozen=True, slots=True)
class EnforcedState:
    """What a gateway enforced on one connection: everything up to the request `control`."""

    connection_id: int
    control: int
    is_frozen: bool


def confirm(done: Sequence[EnforcedState]) -> None:
    """Note in one transaction what is in force.

    A connection that has ended meanwhile is confirmed too.
    """
    now = timezone.now()
    with transaction.atomic():
        seen = _seen(done)
        for is_frozen in (True, False):
            same = [one for one in done if one.is_frozen == is_frozen]
            for part in _parts(same):
                GatewayConnection.objects.filter(pk__in=[one.connection_id for one in part]).update(
                    confirmed_control=Case(*(When(pk=one.connection_id, then=Value(one.control)) for one in part)),
                    is_frozen=is_frozen,
                    confirmed_at=now,
                )
        sessions = sorted({one.session_id for one in seen if one.newest > one.after})
        for numbers in _parts(sessions):
            enforced.by_gateway([one for one in seen if one.session_id in numbers and one.newest > one.after], now)


def _seen(done: Sequence[EnforcedState]) -> list[enforced.Observation]:
    """Return these states with what each connection had confirmed before."""
    rows = GatewayConnection.objects.filter(pk__in=[one.connection_id for one in done])
    before = {row[0]: row[1:] for row in rows.values_list("pk", "session_id", "gateway", "confirmed_control")}
    return [
        enforced.Observation(one.connection_id, *before[one.connection_id], one.control, one.is_frozen)
        for one in done
        if one.connection_id in before
    ]


def _parts(rows: Sequence[Row]) -> list[Sequence[Row]]:
    return [rows[start : start + ROWS_PER_UPDATE] for start in range(0, len(rows), ROWS_PER_UPDATE)]
