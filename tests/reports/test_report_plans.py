"""What the database reads for a report: an index from the period on, and never a whole long table."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.reports.every_report import REPORTS
from tests.support.query_plans import explained
from tests.support.reports import fill_reports

AsUser = Callable[[User], Client]
LONG = ("activity_logentry", "sessions_app_privilegedsession", "sessions_app_approval")  # they grow with the years


def whole_tables(plan: str) -> list[str]:
    """Return the long tables that a plan reads without an index. Both databases say "scan" then."""
    found = []
    for line in plan.splitlines():
        is_whole = "Seq Scan on" in line or (line.startswith("SCAN ") and " INDEX " not in line)
        found += [table for table in LONG if is_whole and table in line]
    return found


@pytest.mark.parametrize("slug", REPORTS)
def test_a_page_of_a_report_reads_no_long_table_as_a_whole(
    auditor: User, alice: User, approver: User, as_user: AsUser, slug: str
) -> None:
    fill_reports(alice, approver)
    client = as_user(auditor)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(f"/reports/{slug}/").status_code == 200
    asked = [
        one["sql"] for one in captured if one["sql"].startswith("SELECT") and any(table in one["sql"] for table in LONG)
    ]
    assert asked or slug == "rights"
    for sql in asked:
        assert whole_tables(explained(sql)) == [], sql


@pytest.mark.sqlite_only
def test_sessions_without_a_ticket_are_read_from_the_period_on(
    auditor: User, alice: User, approver: User, as_user: AsUser
) -> None:
    fill_reports(alice, approver)
    with CaptureQueriesContext(connection) as captured:
        assert as_user(auditor).get("/reports/without-ticket/").status_code == 200
    plans = [explained(one["sql"]) for one in captured if "ticket_number" in one["sql"] and LONG[1] in one["sql"]]
    assert plans
    assert not [plan for plan in plans if "session_ticket_number" in plan]
