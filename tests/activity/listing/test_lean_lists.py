"""A list does not query the database for what the page, or the part of it that is refreshed, does not show."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.models import ListPreference
from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.privileged.models import Approval, PrivilegedSession, Status
from tests.support import builders, pages

AsUser = Callable[[User], Client]
HISTORICAL = "/sessions/?tab=historical"


def queries_of(client: Client, url: str, **headers: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url, headers=headers).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def rows_read(client: Client, url: str) -> list[str]:
    """Return those queries of a refresh that read one or more rows of the list."""
    return [query for query in queries_of(client, url, HX_Request="true") if re.search(r"LIMIT (101|21|1)$", query)]


def reads(queries: list[str], table: str) -> int:
    return sum(f'FROM "{table}"' in query for query in queries)


def test_only_a_whole_page_counts_what_waits_for_approval(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    counting = f'"{Approval._meta.db_table}"'
    assert any(counting in query for query in queries_of(client, "/logins/"))
    assert not any(counting in query for query in queries_of(client, "/logins/", HX_Request="true"))


def test_the_tab_historical_looks_nothing_up_for_what_can_be_done_no_more(as_user: AsUser, admin: User) -> None:
    builders.make_session(admin, Status.COMPLETE)
    queries = queries_of(as_user(admin), HISTORICAL, HX_Request="true")
    assert reads(queries, PrivilegedSession._meta.db_table) == 2  # the count and the rows
    assert reads(queries, ConnectionProfile._meta.db_table) == 0
    assert not any(Approval._meta.db_table in query for query in queries)


def test_a_hidden_column_costs_no_query_and_a_shown_one_costs_one(as_user: AsUser, admin: User, alice: User) -> None:
    for _ in range(3):
        builders.make_session(alice, Status.COMPLETE, requested_by=admin)
    client = as_user(admin)
    without = queries_of(client, HISTORICAL)
    ListPreference.objects.create(user=admin, table="sessions-history", hidden=["policy", "user_now"])
    shown = queries_of(client, HISTORICAL)
    assert reads(shown, "auth_user") == reads(without, "auth_user") + 1
    assert "admin" in pages.text(pages.elements(client.get(HISTORICAL)).find(".//table/tbody"))


def test_a_field_of_a_hidden_column_is_not_read_and_of_a_shown_one_is(as_user: AsUser, admin: User) -> None:
    builders.make_session(admin, Status.COMPLETE, end_reason="Somebody ended it")
    client = as_user(admin)
    for address, table, column in (
        ("/activity/", "activity", "details"),
        ("/logins/", "logins", "user_agent"),
        (HISTORICAL, "sessions-history", "end_reason"),
    ):
        own = f'"{column}"'
        assert not any(own in query for query in rows_read(client, address))
        preference = ListPreference.objects.create(user=admin, table=table, hidden=[])
        assert sum(own in query for query in rows_read(client, address)) == 1, address  # with the rows, not one by one
        preference.delete()


def test_a_list_in_the_order_of_a_hidden_column_reads_it_with_the_rows(as_user: AsUser, admin: User) -> None:
    for _ in range(2):
        builders.make_session(admin, Status.COMPLETE)
    client = as_user(admin)
    usual, hidden = (
        len(queries_of(client, f"{HISTORICAL}&sort={key}")) for key in ("start", "ended")
    )  # both may be missing
    assert usual == hidden
