"""The activity log page: who sees what, the filters, the time zones, and what a wrong address is told."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import period
from activity.models import Level, LogEntry, Outcome
from activity.verbs import Verb
from tests.support import builders, pages
from tests.support.entries import ago, make_entry, messages, problem, table_rows

AsUser = Callable[[User], Client]
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def page(as_user: AsUser, auditor: User) -> Callable[..., Any]:
    """Return a function that opens the log as an auditor with these filters."""
    browser = as_user(auditor)

    def opened(**filters: str) -> Any:
        return browser.get("/activity/", filters)

    return opened


# --- who sees what


def test_auditors_and_administrators_see_every_entry(as_user: AsUser, alice: User, auditor: User, admin: User) -> None:
    make_entry("of alice", actor=alice, user=alice)
    make_entry("of the system")
    for person in (auditor, admin):
        assert {"of alice", "of the system"} <= set(messages(as_user(person).get("/activity/")))


def test_others_see_what_they_did_and_what_concerns_them(
    as_user: AsUser, alice: User, admin: User, outsider: User
) -> None:
    done = make_entry("done by alice", actor=alice, user=outsider)
    about = make_entry("done to alice", actor=admin, user=alice)
    other = make_entry("of somebody else", actor=admin, user=outsider)
    browser = as_user(alice)
    seen = messages(browser.get("/activity/"))
    assert {"done by alice", "done to alice"} <= set(seen)
    assert "of somebody else" not in seen
    assert browser.get(f"/activity/{done.pk}/").status_code == 200
    assert browser.get(f"/activity/{about.pk}/").status_code == 200
    assert browser.get(f"/activity/{other.pk}/").status_code == 404


def test_others_cannot_look_up_users(as_user: AsUser, alice: User, outsider: User) -> None:
    browser = as_user(alice)
    assert browser.get("/activity/users/", {"q": "out"}).status_code == 403
    page = browser.get("/activity/").content.decode()
    assert "outsider" not in page
    assert 'name="user"' not in page
    assert "no filter called “user”" in problem(browser.get("/activity/", {"user": "outsider"}))


def test_strangers_are_sent_to_the_login_page(client: Client, db: None) -> None:
    entry = make_entry()
    for path in ("/activity/", f"/activity/{entry.pk}/", "/activity/summary/", "/activity/chart/", "/activity/users/"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_pages_change_nothing(as_user: AsUser, admin: User, method: str) -> None:
    entry, browser = make_entry(), as_user(admin)
    for path in ("/activity/", f"/activity/{entry.pk}/", "/activity/summary/", "/activity/chart/", "/activity/users/"):
        assert getattr(browser, method)(path).status_code == 405


# --- a row


def test_a_row_says_when_how_grave_who_whom_and_what(page: Callable[..., Any], alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    make_entry(
        "Locked it",
        dt.datetime(2026, 1, 31, 12, 0, 5, tzinfo=dt.UTC),
        actor=admin,
        user=alice,
        verb=Verb.SESSION_LOCKED,
        level=Level.WARNING,
        ip="203.0.113.9",
        target_type="sessions_app.privilegedsession",
        target_id=session.pk,
        target_name="Patch Linux on web-1",
    )
    answer = page(since="2026-01-31", until="2026-01-31")
    assert table_rows(answer) == [
        {
            "Date and time": "2026-01-31 12:00:05",
            "Level": "Warning",
            "Actor": "admin",
            "User": "alice",
            "Activity": "Session locked",
            "Message": "Locked it",
            "Target": "Patch Linux on web-1",
            "Outcome": "Success",
        }
    ]
    assert "IP" in pages.texts(pages.elements(answer), ".//*[@id='columns-menu']//label")  # hidden until it is ticked
    link = pages.elements(answer).find(f".//tbody//a[@href='/sessions/{session.pk}/']")
    assert pages.text(link) == "Patch Linux on web-1"
    html = answer.content.decode()
    assert '<b class="badge badge-warning i-warning">Warning</b>' in html


def test_an_entry_of_nobody_is_the_systems(page: Callable[..., Any]) -> None:
    make_entry("swept up")
    assert next(row for row in table_rows(page()) if row["Message"] == "swept up")["Actor"] == "System"


def test_what_people_typed_is_text(page: Callable[..., Any]) -> None:
    make_entry("<script>alert(1)</script>", target_name="<b>x</b>")
    html = page().content.decode()
    assert "<script>alert" not in html
    assert "<b>x</b>" not in html


def test_the_page_of_an_entry_shows_old_and_new_values(as_user: AsUser, auditor: User) -> None:
    entry = make_entry(
        "Changed it", details={"changes": {"name": {"old": "before", "new": None}}, "note": {"deep": ["<i>"]}}
    )
    answer = as_user(auditor).get(f"/activity/{entry.pk}/")
    assert table_rows(answer) == [{"Field": "name", "Before": "before", "After": "–"}]
    assert "&lt;i&gt;" in answer.content.decode()


@pytest.mark.parametrize("details", [{"changes": ["x"]}, {"changes": {"a": 1}}, {"changes": None}, {"n": 1}, {}])
def test_details_of_any_shape_can_be_shown(as_user: AsUser, auditor: User, details: dict[str, Any]) -> None:
    entry = make_entry("odd", details=details)
    assert as_user(auditor).get(f"/activity/{entry.pk}/").status_code == 200


def test_details_that_another_program_wrote_are_shown_too(as_user: AsUser, auditor: User) -> None:
    entry = make_entry("one", details=["no", "object"], verb=Verb.EXPORTED)
    browser = as_user(auditor)
    assert "object" in pages.text(pages.elements(browser.get(f"/activity/{entry.pk}/")))
    assert browser.get(f"/activity/{entry.pk}/manifest/").status_code == 404


@pytest.mark.parametrize("pk", ["0", "987654321", "9" * 30])
def test_an_unknown_entry_is_not_found(as_user: AsUser, auditor: User, pk: str) -> None:
    assert as_user(auditor).get(f"/activity/{pk}/").status_code == 404


# --- the filters


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, ["1 h", "25 h"]),
        ({"period": "24h"}, ["1 h"]),
        ({"period": "7d"}, ["1 h", "25 h"]),
        ({"period": "1m"}, ["1 h", "25 h", "20 d"]),
        ({"period": "6m"}, ["1 h", "25 h", "20 d", "100 d"]),
        ({"period": "1y"}, ["1 h", "25 h", "20 d", "100 d", "300 d"]),
        ({"period": "custom"}, ["1 h", "25 h", "20 d", "100 d", "300 d", "500 d"]),
    ],
)
def test_the_period_leaves_out_what_is_older(page: Callable[..., Any], asked: dict[str, str], seen: list[str]) -> None:
    for text in ("1 h", "25 h", "20 d", "100 d", "300 d", "500 d"):
        number, unit = text.split()
        make_entry(text, ago(**{"hours" if unit == "h" else "days": int(number)}))
    assert messages(page(**asked, activity="login.succeeded", level="info"))[-len(seen) :] == seen


def test_the_default_period_is_chosen_in_the_form(page: Callable[..., Any]) -> None:
    assert '<option value="7d" selected>7 days</option>' in page().content.decode()
    assert '<option value="custom" selected>' in page(since="2026-01-01").content.decode()


def test_both_days_of_from_and_to_are_whole_days_in_the_viewers_zone(as_user: AsUser, auditor: User) -> None:
    """Midnight in Zurich is 22:00 or 23:00 UTC; the clocks went forward on 29 March 2026."""
    for text, at in {
        "just before": dt.datetime(2026, 2, 28, 22, 59, 59, 999999, tzinfo=dt.UTC),
        "first": dt.datetime(2026, 2, 28, 23, 0, tzinfo=dt.UTC),
        "last": dt.datetime(2026, 3, 31, 21, 59, 59, 999999, tzinfo=dt.UTC),
        "just after": dt.datetime(2026, 3, 31, 22, 0, tzinfo=dt.UTC),
    }.items():
        make_entry(text, at)
    browser = as_user(auditor)
    march = {"since": "2026-03-01", "until": "2026-03-31"}
    browser.cookies["timezone"] = "Europe/Zurich"
    assert messages(browser.get("/activity/", march)) == ["last", "first"]
    browser.cookies["timezone"] = "UTC"
    assert messages(browser.get("/activity/", march)) == ["just after", "last"]
    del browser.cookies["timezone"]
    assert messages(browser.get("/activity/", {"until": "2026-02-28"})) == ["first", "just before"]


@pytest.mark.parametrize(
    ("now", "months", "then"),
    [
        ("2026-03-31T12:00+00:00", 1, "2026-02-28T12:00+00:00"),
        ("2024-03-31T12:00+00:00", 1, "2024-02-29T12:00+00:00"),
        ("2026-01-15T12:00+00:00", 1, "2025-12-15T12:00+00:00"),
        ("2026-01-31T12:00+00:00", 6, "2025-07-31T12:00+00:00"),
        ("2024-02-29T12:00+00:00", 12, "2023-02-28T12:00+00:00"),
    ],
)
def test_a_month_ago_is_the_same_day_or_that_months_last(now: str, months: int, then: str) -> None:
    assert period.months_before(dt.datetime.fromisoformat(now), months) == dt.datetime.fromisoformat(then)


def test_a_month_is_counted_in_the_viewers_zone() -> None:
    """1:00 on 1 April in Tokyo is still 31 March in UTC."""
    with timezone.override("Asia/Tokyo"):
        then = period.months_before(dt.datetime(2026, 3, 31, 16, 0, tzinfo=dt.UTC), 1)
    assert then == dt.datetime(2026, 2, 28, 16, 0, tzinfo=dt.UTC)


def test_the_user_filter_finds_who_did_it_and_whom_it_concerns(
    page: Callable[..., Any], alice: User, admin: User, outsider: User
) -> None:
    make_entry("by", actor=alice, user=outsider)
    make_entry("about", actor=admin, user=alice)
    make_entry("under an old name", actor=alice, user=alice, actor_name="alicia", user_name="alicia")
    make_entry("neither", actor=admin, user=outsider)
    expected = ["under an old name", "about", "by"]
    assert messages(page(user="alice", activity="login.succeeded")) == expected
    assert messages(page(user=" ALICE ", activity="login.succeeded")) == expected


def test_names_that_differ_in_case_only_are_told_apart(page: Callable[..., Any]) -> None:
    for name in ("bob", "Bob"):
        person = builders.make_user(name)
        make_entry(f"of {name}", actor=person, user=person)
    assert messages(page(user="bob", activity="of")) == ["of bob"]
    assert messages(page(user="Bob", activity="of")) == ["of Bob"]


def test_a_name_without_an_account_is_found_when_somebody_tried_it(page: Callable[..., Any]) -> None:
    make_entry("tried", verb=Verb.LOGIN_FAILED, user_name="root")
    assert messages(page(user="root")) == ["tried"]


def test_the_keyword_looks_in_message_activity_target_names_and_ip(page: Callable[..., Any], alice: User) -> None:
    make_entry("Nightly BACKUP done", ip="203.0.113.9")
    make_entry("two", verb=Verb.ACCOUNT_CUT)
    make_entry("three", target_name="web-backup-1")
    make_entry("four", actor=alice, user=alice, ip="2001:db8::1")
    make_entry("five", user_name="malice")

    def found(text: str) -> list[str]:
        return sorted(set(messages(page(activity=text))) & {"Nightly BACKUP done", "two", "three", "four", "five"})

    assert found("backup") == ["Nightly BACKUP done", "three"]
    assert found("everything cut") == ["two"]
    assert found("account.cut") == ["two"]
    assert found("alice") == ["five", "four"]
    assert found("nightly done") == ["Nightly BACKUP done"]
    assert found("nightly web") == []
    assert found("203.0.113.9") == ["Nightly BACKUP done"]
    assert found("2001:DB8:0::1") == ["four"]


def test_wildcards_of_the_database_are_letters_like_others(page: Callable[..., Any]) -> None:
    make_entry("100% sure")
    make_entry("100 and sure")
    make_entry("a_b")
    make_entry("axb")
    assert messages(page(activity="100%")) == ["100% sure"]
    assert messages(page(activity="a_b")) == ["a_b"]


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["Debug"]),
        ("info", ["Info"]),
        ("warning", ["Warning"]),
        ("error", ["Error"]),
        ("problems", ["Error", "Warning"]),
        ("", ["Error", "Warning", "Info", "Debug"]),
    ],
)
def test_the_level_filter(page: Callable[..., Any], level: str, seen: list[str]) -> None:
    for each in Level:
        make_entry(f"level {each.label}", level=each)
    assert [row["Level"] for row in table_rows(page(level=level, activity="level"))] == seen


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, ["Denied", "Failure", "Success"]),
        ({"outcome": "success"}, ["Success"]),
        ({"outcome": "failure"}, ["Failure"]),
        ({"outcome": "denied"}, ["Denied"]),
        ({"outcome": "success", "outcome_is": "not"}, ["Denied", "Failure"]),
        ({"outcome": "failure", "outcome_is": "not"}, ["Denied", "Success"]),
    ],
)
def test_the_outcome_filter(page: Callable[..., Any], asked: dict[str, str], seen: list[str]) -> None:
    for each in Outcome:
        make_entry(f"outcome {each.label}", outcome=each)
    answer = page(**asked, activity="outcome")
    assert [row["Outcome"] for row in table_rows(answer)] == seen
    chips = " ".join(pages.texts(pages.elements(answer), ".//ul[@class='chips']/li")) if asked else ""
    assert ("Outcome" in chips) == bool(asked)


def test_filters_work_together_and_links_keep_them(page: Callable[..., Any], alice: User) -> None:
    for number in range(101):
        make_entry(f"backup {number}", ago(hours=number), actor=alice, user=alice)
    make_entry("backup of somebody else")
    answer = page(period="1m", user="alice", activity="backup", level="info")
    assert messages(answer) == [f"backup {number}" for number in range(100)]
    html = answer.content.decode()
    assert "101 entries in the last month" in html
    following = next(link for link in html.split('href="') if "after=" in link).split('"')[0].replace("&amp;", "&")
    filters = dict(pair.split("=") for pair in following.removeprefix("/activity/?").split("&"))
    after = filters.pop("after")
    assert filters == {"period": "1m", "user": "alice", "activity": "backup", "level": "info"}
    assert messages(page(**filters, after=after)) == ["backup 100"]


def test_an_empty_period_says_so_and_what_to_do(as_user: AsUser, auditor: User) -> None:
    html = as_user(auditor).get("/activity/", {"since": "2001-01-01", "until": "2001-01-02"}).content.decode()
    assert "Nothing was logged from 2001-01-01 to 2001-01-02. Choose a longer time period." in html


@pytest.mark.parametrize("column", ["at", "level", "actor", "user", "activity", "target", "ip", "outcome"])
def test_every_heading_with_a_link_sorts_both_ways(page: Callable[..., Any], alice: User, column: str) -> None:
    for number in range(3):
        make_entry(f"sorted {number}", ago(hours=number), ip=f"203.0.113.{number}" if number else None)
    ascending = messages(page(sort=column, activity="sorted"))
    descending = messages(page(sort=f"-{column}", activity="sorted"))
    assert set(ascending) == set(descending) == {"sorted 0", "sorted 1", "sorted 2"}
    if column == "at":
        assert ascending == ["sorted 2", "sorted 1", "sorted 0"] == descending[::-1]


# --- wrong addresses


@pytest.mark.parametrize(
    ("asked", "shown_text"),
    [
        ({"period": "2w"}, "Time period"),
        ({"since": "yesterday"}, "“yesterday” is not a date. Write it as 2026-01-31, or with a time"),
        ({"until": "2026-02-30"}, "“2026-02-30” is not a date"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "2026-02-01 is later than the end, 2026-01-01"),
        ({"user": "nobody"}, "There is no user called “nobody”"),
        ({"level": "loud"}, "Level"),
        ({"outcome": "perhaps"}, "Outcome"),
        ({"activity": "x" * 201}, "Activity keyword"),
        ({"sort": "message"}, "cannot be sorted by “message”"),
        ({"sort": "password"}, "cannot be sorted by “password”"),
        ({"colour": "red"}, "no filter called “colour”"),
        ({"after": "nonsense"}, "This page of the list does not exist"),
        ({"activity": "a\x00b"}, "a character that no list knows"),
        ({"user": "a\x00b"}, "a character that no list knows"),
    ],
)
def test_a_wrong_filter_is_told_in_words(page: Callable[..., Any], asked: dict[str, str], shown_text: str) -> None:
    assert shown_text in problem(page(**asked))


def test_a_search_that_the_page_calls_otherwise_is_not_dropped_in_silence(page: Callable[..., Any]) -> None:
    assert "no filter called “q”" in problem(page(q="root"))


@pytest.mark.parametrize("path", ["/activity/", "/activity/summary/", "/activity/chart/"])
@pytest.mark.parametrize(
    "asked",
    [
        {"since": "0001-01-01", "until": "9999-12-31"},
        {"until": "0001-01-01"},
        {"since": "9999-12-31"},
        {"period": "custom", "since": "9999-12-31", "until": "9999-12-31"},
        {"period": "7d", "since": "2026-02-01", "until": "2026-01-01"},
    ],
)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu"])
def test_the_ends_of_time_are_dates_too(
    as_user: AsUser, auditor: User, path: str, asked: dict[str, str], zone: str
) -> None:
    browser = as_user(auditor)
    browser.cookies["timezone"] = zone
    assert browser.get(path, asked).status_code == 200


# --- users, fragments, cost


def test_suggestions_hold_the_text_and_begin_with_it_first(as_user: AsUser, auditor: User) -> None:
    for name in ("mara", "tamara", "margot", "bob", *(f"zz-mar-{number:02}" for number in range(30))):
        builders.make_user(name)
    browser = as_user(auditor)
    html = browser.get("/activity/users/", {"q": "MAR"}).content.decode()
    names = [part.split('"')[0] for part in html.split('value="')[1:]]
    assert names[:3] == ["mara", "margot", "tamara"]
    assert len(names) == 20
    assert browser.get("/activity/users/", {"user": "bob"}).content.decode().count("<option") == 1
    assert "<option" not in browser.get("/activity/users/", {"q": "a\x00zzz%"}).content.decode()


def test_a_fragment_holds_the_rows_only_and_is_a_304_when_nothing_changed(as_user: AsUser, auditor: User) -> None:
    make_entry("there")
    browser = as_user(auditor)
    browser.get("/activity/")  # who reads it is an entry too
    first = browser.get("/activity/", headers=FRAGMENT)
    assert "<html" not in first.content.decode()
    assert "there" in messages(first)
    assert browser.get("/activity/", headers=FRAGMENT | {"If-None-Match": first["ETag"]}).status_code == 304
    make_entry("new")
    again = browser.get("/activity/", headers=FRAGMENT | {"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert messages(again)[0] == "new"


def test_two_entries_and_two_hundred_cost_the_same_queries(as_user: AsUser, auditor: User, alice: User) -> None:
    browser = as_user(auditor)
    session = builders.make_session(alice)
    costs = []
    browser.get("/activity/", {"user": "alice"})  # who reads it is logged at first
    for number in (2, 198):
        for _ in itertools.repeat(None, number):
            make_entry(
                actor=auditor,
                user=alice,
                target_type="sessions_app.privilegedsession",
                target_id=session.pk,
                target_name="x",
            )
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert browser.get("/activity/", {"user": "alice"}).status_code == 200
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert LogEntry.objects.filter(target_name="x").count() == 200


def test_the_summary_is_fetched_for_the_same_filters(page: Callable[..., Any], alice: User) -> None:
    html = page(period="1m", user="alice").content.decode()
    assert 'href="/activity/summary/?period=1m&amp;user=alice"' in html
    assert 'hx-include="#filters' in html
