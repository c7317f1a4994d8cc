"""One session's log in its own window: numbered lines, search, levels, days, download; each opening is logged."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity import log
from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.privileged.models import PrivilegedSession
from tests.support import builders, pages

AsUser = Callable[[User], Client]


@pytest.fixture
def session(alice: User) -> PrivilegedSession:
    """Return a session with four log entries, between which are entries of another session."""
    session, other = builders.make_session(alice), builders.make_session(alice)
    for level, message in [
        (Level.INFO, "alice asked for Patch Linux"),
        (Level.DEBUG, "connected to web-1"),
        (Level.WARNING, "disk is nearly full"),
        (Level.ERROR, "sudo rule was refused"),
    ]:
        log.record(Verb.CONNECTOR_STEP, "of another session", target=other)
        log.record(Verb.CONNECTOR_STEP, message, target=session, level=level)
    return session


def lines(client: Client, session: PrivilegedSession, query: str = "") -> list[dict[str, str]]:
    response = client.get(f"/sessions/{session.pk}/log/?{query}")
    assert response.status_code == 200
    return pages.table(pages.elements(response))


def numbers(rows: list[dict[str, str]]) -> list[str]:
    return [row["Line"] for row in rows]


def test_lines_are_numbered_within_the_session(as_user: AsUser, alice: User, session: PrivilegedSession) -> None:
    rows = lines(as_user(alice), session)
    assert numbers(rows) == ["1", "2", "3", "4"]
    assert list(rows[0])[1:] == ["Line", "Date and time", "Status", "Message", "By"]
    assert [row["Status"] for row in rows] == ["Info", "Debug", "Warning", "Error"]
    assert rows[3]["Message"] == "sudo rule was refused"
    first = LogEntry.objects.of_target(session).earliest("pk")
    assert f"{first.at:%Y-%m-%d %H:%M:%S}".endswith(rows[0]["Date and time"])  # without the date if it is today's


def test_a_status_differs_by_icon_and_text(as_user: AsUser, alice: User, session: PrivilegedSession) -> None:
    page = pages.elements(as_user(alice).get(f"/sessions/{session.pk}/log/"))
    icons = [str(badge.get("class")).split()[-1] for badge in page.findall(".//tbody//b[@class]")]
    assert icons == ["i-info", "i-bug", "i-warning", "i-error"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=disk", ["3"]),
        ("level=error", ["4"]),
        ("level=problems", ["3", "4"]),
        ("level=debug", ["2"]),
        ("sort=-line", ["4", "3", "2", "1"]),
        ("sort=-level", ["4", "3", "1", "2"]),
        ("sort=message", ["1", "2", "3", "4"]),
        ("at_from=2999-01-01", []),
        ("at_to=2999-01-01", ["1", "2", "3", "4"]),
        ("at_to=1999-01-01", []),
    ],
)
def test_a_line_keeps_its_number_under_every_filter_and_order(
    as_user: AsUser, alice: User, session: PrivilegedSession, query: str, expected: list[str]
) -> None:
    assert numbers(lines(as_user(alice), session, query)) == expected


def test_the_second_page_goes_on_counting(as_user: AsUser, alice: User) -> None:
    session = builders.make_session(alice)
    for number in range(150):
        log.record(Verb.CONNECTOR_STEP, f"step {number + 1}", target=session)
    client = as_user(alice)
    page = pages.elements(client.get(f"/sessions/{session.pk}/log/"))
    following = pages.attribute(page.find(".//a[@id='page-next']"), "href")
    rows = pages.table(pages.elements(client.get(following)))
    assert [(row["Line"], row["Message"]) for row in (rows[0], rows[-1])] == [("101", "step 101"), ("150", "step 150")]


def test_only_who_may_see_the_session_reads_its_log(
    as_user: AsUser, alice: User, outsider: User, auditor: User, admin: User, session: PrivilegedSession
) -> None:
    for user in (alice, auditor, admin):
        assert as_user(user).get(f"/sessions/{session.pk}/log/").status_code == 200
    for query in ("", "?csv=1"):
        assert as_user(outsider).get(f"/sessions/{session.pk}/log/{query}").status_code == 404
    fragment = as_user(outsider).get(f"/sessions/{session.pk}/log/", headers={"HX-Request": "true"})
    assert fragment.status_code == 404
    assert not LogEntry.objects.filter(verb=Verb.LOG_VIEWED, actor=outsider).exists()


def views() -> int:
    return LogEntry.objects.filter(verb=Verb.LOG_VIEWED).count()


def test_an_opening_is_logged_once_and_a_refresh_is_not(
    as_user: AsUser, auditor: User, session: PrivilegedSession
) -> None:
    client, url = as_user(auditor), f"/sessions/{session.pk}/log/"
    client.get(url)
    entry = LogEntry.objects.get(verb=Verb.LOG_VIEWED)
    assert entry.actor == auditor
    assert (entry.target_type, entry.target_id) == ("sessions_app.privilegedsession", session.pk)
    assert f"session {session.pk}" in entry.message
    fragment = client.get(url, headers={"HX-Request": "true"})
    client.get(url, headers={"HX-Request": "true", "If-None-Match": fragment["ETag"]})
    client.head(url)
    pages.streamed(client.get(f"{url}?csv=1"))
    client.get(f"{url}?sort=nonsense")
    assert views() == 1
    client.get(url)
    assert views() == 1
    client.get(f"{url}?level=warning", headers={"HX-Request": "true"})  # another filter is another look
    assert views() == 2


def test_a_page_that_the_browser_history_restores_is_an_opening(
    as_user: AsUser, auditor: User, session: PrivilegedSession
) -> None:
    asked = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    as_user(auditor).get(f"/sessions/{session.pk}/log/", headers=asked)
    assert views() == 1


def test_looking_at_the_log_is_no_line_of_it(as_user: AsUser, alice: User, session: PrivilegedSession) -> None:
    client = as_user(alice)
    before = lines(client, session)
    log.record(Verb.CONNECTOR_STEP, "one step more", target=session)
    after = lines(client, session)
    assert after[:-1] == before
    assert after[-1]["Line"] == "5"


def test_the_download_has_what_is_filtered_and_is_logged(
    as_user: AsUser, auditor: User, session: PrivilegedSession
) -> None:
    response = as_user(auditor).get(f"/sessions/{session.pk}/log/?level=problems&csv=1")
    assert response["Content-Disposition"].startswith(f'attachment; filename="session-{session.pk}-log-')
    header, *rows = csv.reader(io.StringIO(pages.streamed(response).decode()))
    assert header == ["Line", "Date and time", "Status", "Message", "By", "By, now"]
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("3", "warning", "disk is nearly full"),
        ("4", "error", "sudo rule was refused"),
    ]
    assert dt.datetime.fromisoformat(rows[0][1]).tzinfo is not None
    export = LogEntry.objects.get(verb=Verb.EXPORTED)
    assert export.details["rows"] == 2


@pytest.mark.parametrize("query", ["sort=target_id", "level=loud", "at_from=soon", "page=2", "q=%00"])
def test_an_address_that_means_nothing_is_a_400(
    as_user: AsUser, alice: User, session: PrivilegedSession, query: str
) -> None:
    assert as_user(alice).get(f"/sessions/{session.pk}/log/?{query}").status_code == 400


def test_a_post_is_refused(as_user: AsUser, admin: User, session: PrivilegedSession) -> None:
    assert as_user(admin).post(f"/sessions/{session.pk}/log/").status_code == 405


def test_the_log_costs_the_same_queries_with_2_lines_and_200(as_user: AsUser, alice: User) -> None:
    session = builders.make_session(alice)
    client = as_user(alice)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            lines(client, session)
        return len(captured)

    for _ in range(2):
        log.record(Verb.CONNECTOR_STEP, "step", target=session)
    cost()  # who reads it is logged at first
    few = cost()
    for _ in range(198):
        log.record(Verb.CONNECTOR_STEP, "step", target=session)
    assert cost() == few
