"""Lists are read in their order from an index, at any size of the table: nothing is sorted to show a page of it."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, models
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.filters import of_outcome, suggest_users
from activity.listing import Column
from activity.listing.keyset import Order, read_page
from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import LoginSession
from sessions_app.logins.tables import logins_table
from sessions_app.privileged.models import LIVE, PrivilegedSession, Status
from sessions_app.privileged.tables import sessions_table
from tests.support.query_plans import explained


def plans_of(rows: QuerySet[Any], sort: str, **place: Any) -> list[str]:
    """Return the plans by which the database would read a page."""
    order = Order(sort.removeprefix("-"), sort.startswith("-"))
    with CaptureQueriesContext(connection) as captured:
        read_page(rows, order, 100, **place)
    return [explained(query["sql"]) for query in captured.captured_queries]


def plan_of(rows: QuerySet[Any], sort: str) -> str:
    """Return the plan by which the database would read the first page."""
    return "\n".join(plans_of(rows, sort))


def is_sorted(plan: str) -> bool:
    return "TEMP B-TREE" in plan or "Sort" in plan


@pytest.mark.parametrize(
    "sort", ["requested_at", "-requested_at", "user_name", "-user_name", "resource_name", "-resource_name"]
)
def test_ended_sessions_are_read_in_their_order(sort: str, db: None) -> None:
    goes_on = [*LIVE, Status.PENDING, Status.WAITING]
    assert not is_sorted(plan_of(PrivilegedSession.objects.exclude(status__in=goes_on), sort))


def sorts(columns: Iterable[Column]) -> list[str]:
    return sorted({f"{sign}{column.order}" for column in columns if column.order for sign in ("", "-")})


ANYBODY = User(is_superuser=True)  # sees every column, without a query
SESSION_SORTS = sorts(sessions_table(ANYBODY, with_history=True).columns)
LOGIN_SORTS = sorts(logins_table(ANYBODY).columns)
PLACES = ("first", "last", "after", "before", "after nothing", "before nothing")


def cases(model: type[models.Model], sorts_of_it: Iterable[str]) -> list[tuple[str, str]]:
    """Return each order with each place. Leave out places at a row without a value if every row has one."""
    return [
        (sort, place)
        for sort in sorts_of_it
        for place in PLACES
        if not place.endswith("nothing") or (sort.removeprefix("-") != "pk" and can_be_missing(model, sort))
    ]


def can_be_missing(model: type[models.Model], sort: str) -> bool:
    return bool(model._meta.get_field(sort.removeprefix("-")).null)


def place_of(name: str, rows: QuerySet[Any], sort: str) -> dict[str, Any]:
    """Return the arguments of read_page() for that page. A cursor is at a row with a value, or without one."""
    if name in ("first", "last"):
        return {"last": name == "last"}
    field = rows.model._meta.get_field(sort.removeprefix("-")) if sort.removeprefix("-") != "pk" else None
    value: Any = 7
    if isinstance(field, models.DateTimeField):
        value = timezone.now()
    elif isinstance(field, models.DurationField):
        value = "01:00:00"
    elif isinstance(field, models.GenericIPAddressField):
        value = "192.0.2.1"
    elif isinstance(field, models.CharField):
        value = "x"
    if name.endswith("nothing"):
        value = None
    return {name.split()[0]: base64.urlsafe_b64encode(json.dumps([value, 5], default=str).encode()).decode()}


@pytest.mark.parametrize(("sort", "place"), cases(PrivilegedSession, SESSION_SORTS))
def test_every_column_of_sessions_has_an_index_that_gives_any_page_of_it(sort: str, place: str, db: None) -> None:
    rows = PrivilegedSession.objects.exclude(status__in=[*LIVE, Status.PENDING, Status.WAITING])
    plans = plans_of(rows, sort, **place_of(place, rows, sort))
    assert 1 <= len(plans) <= 2
    assert not any(map(is_sorted, plans)), plans


@pytest.mark.parametrize(("sort", "place"), cases(LoginSession, LOGIN_SORTS))
def test_every_column_of_logins_has_an_index_that_gives_any_page_of_it(sort: str, place: str, db: None) -> None:
    rows = LoginSession.objects.select_related("ended_by")
    plans = plans_of(rows, sort, **place_of(place, rows, sort))
    assert not any(map(is_sorted, plans)), plans


@pytest.mark.parametrize("state", ["live", "ended"])
@pytest.mark.parametrize("place", ["first", "last"])
def test_what_a_filter_leaves_out_is_not_looked_for(state: str, place: str, db: None) -> None:
    rows = LoginSession.objects.filter(ended_at__isnull=state == "live")
    assert len(plans_of(rows, "-ended_at", **place_of(place, rows, "-ended_at"))) == 1


@pytest.mark.parametrize("sort", [sort for sort in LOGIN_SORTS if not sort.endswith("ended_at")])
def test_live_logins_are_found_without_walking_over_those_that_have_ended(sort: str, db: None) -> None:
    plan = plan_of(LoginSession.objects.live(), sort)
    assert "login_live" in plan
    assert not is_sorted(plan)


def test_the_first_suggestions_of_users_are_read_from_the_index_of_names(admin: User) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert suggest_users("") == [("admin", "")]
    (query,) = captured.captured_queries
    assert "LIKE" not in query["sql"]


def test_the_log_is_read_in_its_order(db: None) -> None:
    assert not is_sorted(plan_of(LogEntry.objects.all(), "-at"))


def among_others(person: User, other: User) -> None:
    """Append few entries of one person among many of another, before now and after it, and let PostgreSQL count them.

    What it knows of an empty table is left by other tests, and says nothing of a log.
    """
    now = timezone.now()
    LogEntry.objects.bulk_create(
        LogEntry(verb=Verb.LOGIN, message="one", actor=who, user=who, at=now + dt.timedelta(minutes=minute))
        for minute in range(-150, 150)
        for who in [other if minute % 50 else person]
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {LogEntry._meta.db_table}")


@pytest.mark.parametrize("sort", ["at", "-at"])
@pytest.mark.parametrize("place", ["first", "last", "after", "before"])
def test_the_log_of_a_person_is_read_by_each_index_and_not_sorted_as_a_whole(
    sort: str, place: str, alice: User, outsider: User
) -> None:
    among_others(alice, outsider)
    rows = LogEntry.objects.about(alice)
    as_actor, as_user, *_ = plans_of(rows, sort, **place_of(place, rows, sort))
    assert "log_actor_at" in as_actor
    assert "log_user_at" in as_user
    assert not is_sorted(as_actor)
    assert not is_sorted(as_user)


def test_what_went_wrong_is_read_from_an_index_of_its_own(db: None) -> None:
    plan = plan_of(LogEntry.objects.filter(level__in=[30, 40], level__gte=30), "-at")
    assert "log_problems" in plan
    assert not is_sorted(plan)


def test_what_did_not_succeed_is_read_from_an_index_of_its_own(db: None) -> None:
    entries = LogEntry.objects.all()
    for selected in (of_outcome(entries, "denied", is_not=False), of_outcome(entries, "success", is_not=True)):
        plan = plan_of(selected, "-at")
        assert "log_refused" in plan
        assert not is_sorted(plan)


def test_the_place_in_the_list_is_said_before_the_filters(db: None) -> None:
    rows = LogEntry.objects.filter(at__gte=timezone.now())
    with CaptureQueriesContext(connection) as captured:
        read_page(rows, Order("at", is_descending=False), 100, **place_of("after", rows, "at"))
    where = captured.captured_queries[0]["sql"].partition("WHERE")[2]
    assert where.index('."id") >') < where.index(">=")
