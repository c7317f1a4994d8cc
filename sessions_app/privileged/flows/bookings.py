"""Finds for which times other sessions have a resource, so that a request is compared with them by its time."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet

from activity.listing import exact_time
from sessions_app.catalogue.connectors import names_where
from sessions_app.catalogue.models import AccountKind, Activity, Resource
from sessions_app.privileged.booking import Booking
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status

Pair = tuple[int, int]  # the ids of an activity and a resource
AT_LEAST = dt.timedelta(seconds=1)  # what is being ended has the resource at this moment at least


@dataclass(frozen=True, slots=True)
class Booked:
    """What other sessions have at which times, by activity and resource."""

    same: dict[Pair, list[Booking]] = field(default_factory=lambda: defaultdict(list))  # of the user, of the same kind
    on_account: dict[Pair, list[Booking]] = field(default_factory=lambda: defaultdict(list))  # of anybody


def booking_of(
    session: PrivilegedSession, now: dt.datetime, write: Callable[[dt.datetime], str] = exact_time
) -> Booking:
    """Return from when until when an open session has its rights, as far as anybody knows now.

    `write` makes words of the times: for whoever asks now, or for a message that is kept (activity/times_in_text.py).
    """
    lasts, status = session.maximum_duration, Status(session.status)
    start, end = max(session.scheduled_for or now, now), session.end_at
    if status in HOLDS_GRANT and end is not None:
        start, end, says = min(session.start_at or now, now), max(end, now + AT_LEAST), f"until {write(end)}"
    elif status == Status.CANCELING:
        start, end, says = now, now + AT_LEAST, "its rights are being taken away"
    elif status == Status.PROVISIONING:
        start, end, says = now, now + lasts, "it is being provisioned"
    elif status == Status.WAITING and session.scheduled_for is None:
        end = max(session.approval_deadline or now, now) + lasts
        says = "it waits for approval"
    else:
        end = start + lasts
        says = f"from {write(start)} until {write(end)}"
    return Booking(session.pk, session.user_id, start, end, says)


def booked_by_others(user: AbstractUser, pairs: Sequence[tuple[Activity, Resource]], now: dt.datetime) -> Booked:
    """Return what the user has already for each pair, and who has its login account, with two queries.

    Activities that run commands have no account of their own, and an account with the session's number in its name is
    unique.
    """
    booked = Booked()
    resources = {resource.pk for _, resource in pairs}
    is_open = PrivilegedSession.objects.filter(ended_at=None, resource__in=resources).order_by()
    for one in is_open.filter(user_id=user.pk, activity__in={activity.pk for activity, _ in pairs}):
        booked.same[one.activity_id, one.resource_id].append(booking_of(one, now))
    accounts = {activity.pk: account for activity, _ in pairs if (account := _account(activity, user.get_username()))}
    on_account: dict[tuple[int, str], list[Booking]] = defaultdict(list)
    for one in _taking_accounts(is_open).filter(login_account__in=set(accounts.values())):
        on_account[one.resource_id, one.login_account].append(booking_of(one, now))
    for activity, resource in pairs:
        found = on_account.get((resource.pk, accounts.get(activity.pk, "")))
        if found:
            booked.on_account[activity.pk, resource.pk] = found
    return booked


class BookedByEverybody:
    """The same for all people and all pairs, read with two queries."""

    def __init__(self, now: dt.datetime) -> None:
        is_open = PrivilegedSession.objects.filter(ended_at=None).order_by()
        self._same: dict[int, dict[Pair, list[Booking]]] = defaultdict(lambda: defaultdict(list))
        for one in is_open:
            self._same[one.user_id][one.activity_id, one.resource_id].append(booking_of(one, now))
        self._on_account: dict[str, dict[int, list[Booking]]] = defaultdict(lambda: defaultdict(list))
        for one in _taking_accounts(is_open):
            self._on_account[one.login_account][one.resource_id].append(booking_of(one, now))

    def of(self, user: AbstractUser, activities: Iterable[Activity]) -> Booked:
        """Return what the user has already, and who has the login accounts of these activities."""
        found = Booked(same=self._same.get(user.pk, {}))
        for activity in activities:
            for resource_id, bookings in self._on_account.get(_account(activity, user.get_username()), {}).items():
                found.on_account[activity.pk, resource_id] = bookings
        return found


def _account(activity: Activity, user_name: str) -> str:
    """Return the login account that the activity may share with other sessions; an empty string if it shares none."""
    if activity.kind == AccountKind.COMMANDS or "{session}" in activity.login_account_template:
        return ""
    return activity.login_account(user_name, 0)


def _taking_accounts(sessions: QuerySet[PrivilegedSession]) -> QuerySet[PrivilegedSession]:
    """Return those of the open sessions that take their login account from others.

    Nobody knows when a session without a start is approved, so it takes the account from nobody.
    """
    there = sessions.filter(resource__connector__in=names_where(lambda one: one.makes_accounts))
    return there.exclude(activity__kind=AccountKind.COMMANDS).exclude(status=Status.WAITING, scheduled_for=None)
