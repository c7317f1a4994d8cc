"""Lists are read in their order from an index, at any size of the table: nothing is sorted to show a page of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from activity.filters import suggest_users
from activity.listing.keyset import Order, ordering
from activity.models import LogEntry
from sessions_app.models import LIVE, LoginSession, PrivilegedSession, Status


def plan_of(rows: QuerySet[LoginSession] | QuerySet[PrivilegedSession] | QuerySet[LogEntry], sort: str) -> str:
    """How the database would read the first page."""
    page = rows.order_by(*ordering(rows, Order(sort.removeprefix("-"), sort.startswith("-"))))[:101]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # an empty table is read as a whole, unless that is said to be dear
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    return page.explain()


def is_sorted(plan: str) -> bool:
    return "TEMP B-TREE" in plan or "Sort" in plan


@pytest.mark.parametrize(
    "sort", ["requested_at", "-requested_at", "user_name", "-user_name", "resource_name", "-resource_name"]
)
def test_ended_sessions_are_read_in_their_order(sort: str, db: None) -> None:
    goes_on = [*LIVE, Status.PENDING, Status.WAITING]
    assert not is_sorted(plan_of(PrivilegedSession.objects.exclude(status__in=goes_on), sort))


@pytest.mark.parametrize("sort", ["start_at", "end_at"])
def test_ended_sessions_are_read_by_their_times_with_those_without_one_last(sort: str, db: None) -> None:
    assert not is_sorted(plan_of(PrivilegedSession.objects.all(), sort))


def test_live_logins_are_found_without_walking_over_those_that_have_ended(db: None, alice: User) -> None:
    plan = plan_of(LoginSession.objects.live(), "-last_access_at")
    assert "login_live" in plan
    assert not is_sorted(plan)


def test_the_first_suggestions_of_users_are_read_from_the_index_of_names(admin: User) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert suggest_users("") == ["admin"]
    (query,) = captured.captured_queries
    assert "LIKE" not in query["sql"]


def test_the_log_is_read_in_its_order(db: None) -> None:
    assert not is_sorted(plan_of(LogEntry.objects.all(), "-at"))
