"""The summary above the activity log: sessions and their durations, the first users, entries over time."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import summary
from activity.chart import BASE, TOP, WIDTH, Bucket, draw
from activity.models import Level, LogEntry
from activity.period import read_span
from activity.rollups.reading import Narrowing
from sessions_app.privileged.models import Status
from tests.support import builders
from tests.support.entries import ago, make_entry, problem, table_rows
from tests.support.query_plans import explained

AsUser = Callable[[User], Client]
FRAGMENT = {"HX-Request": "true"}
HOUR = dt.timedelta(hours=1)


class _Figures(HTMLParser):
    """The description list: heading to value."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._tag = self._name = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag if tag in ("dt", "dd", "span") else ""

    def handle_data(self, data: str) -> None:
        if self._tag == "dt" and data.strip():
            self._name, self._tag = data.strip(), ""
        elif self._tag and self._name and data.strip():
            self.values[self._name], self._tag = data.strip(), ""


def figures(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.content.decode()
    parser = _Figures()
    parser.feed(answer.content.decode())
    return parser.values


def ended(user: User, lasted: dt.timedelta, started: dt.datetime | None = None) -> None:
    """Create a session that has ended."""
    started = started or ago(days=1)
    builders.make_session(
        user,
        Status.COMPLETE,
        start_at=started,
        end_at=started + lasted + HOUR,
        ended_at=started + lasted,
        duration=lasted,
    )


# --- sessions


def test_sessions_of_the_period_with_total_average_minimum_and_maximum(
    as_user: AsUser, auditor: User, alice: User
) -> None:
    ended(alice, HOUR)
    ended(alice, 3 * HOUR)
    ended(builders.make_user("bob"), dt.timedelta(minutes=20))
    ended(alice, 90 * HOUR, started=ago(days=30))  # before the period
    builders.make_session(alice, Status.DENIED)  # never started
    assert figures(as_user(auditor).get("/activity/summary/")) == {
        "Sessions": "3",
        "Total duration": "4 h 20 min",
        "Average": "1 h 26 min",
        "Minimum": "20 min 00 s",
        "Maximum": "3 h 00 min",
    }


def test_a_session_that_still_runs_counts_until_now(as_user: AsUser, auditor: User, alice: User) -> None:
    builders.make_session(alice, Status.LOGGED_IN, start_at=ago(hours=2, seconds=5), end_at=ago(hours=-2))
    assert figures(as_user(auditor).get("/activity/summary/"))["Maximum"] == "2 h 00 min"


def test_what_still_runs_is_added_to_what_has_ended_user_by_user(as_user: AsUser, auditor: User, alice: User) -> None:
    bob = builders.make_user("bob")
    ended(alice, 3 * HOUR)
    ended(bob, HOUR)
    for _ in range(2):
        builders.make_session(alice, Status.LOGGED_IN, start_at=ago(hours=2, seconds=5), end_at=ago(hours=-2))
    builders.make_session(alice, Status.LOGGED_IN, start_at=ago(days=30), end_at=ago(hours=-2))  # before the period
    answer = as_user(auditor).get("/activity/summary/")
    assert figures(answer) == {
        "Sessions": "4",
        "Total duration": "8 h 00 min",
        "Average": "2 h 00 min",
        "Minimum": "1 h 00 min",
        "Maximum": "3 h 00 min",
    }
    assert [(row["User"], row["Total"], row["Maximum"]) for row in table_rows_of(answer, "User")] == [
        ("alice", "7 h 00 min", "3 h 00 min"),
        ("bob", "1 h 00 min", "1 h 00 min"),
    ]


def test_no_session_is_a_dash_and_not_a_zero_duration(as_user: AsUser, auditor: User) -> None:
    answer = as_user(auditor).get("/activity/summary/")
    assert figures(answer) == {"Sessions": "0"} | dict.fromkeys(
        ["Total duration", "Average", "Minimum", "Maximum"], "–"
    )
    assert "No session started in the last 7 days." in answer.content.decode()


def test_days_of_the_period_bound_the_sessions_in_the_viewers_zone(as_user: AsUser, auditor: User, alice: User) -> None:
    ended(alice, HOUR, dt.datetime(2026, 2, 28, 22, 30, tzinfo=dt.UTC))
    ended(alice, 2 * HOUR, dt.datetime(2026, 2, 28, 23, 30, tzinfo=dt.UTC))
    browser = as_user(auditor)
    february = {"since": "2026-02-01", "until": "2026-02-28"}
    assert figures(browser.get("/activity/summary/", february))["Total duration"] == "3 h 00 min"
    browser.cookies["timezone"] = "Europe/Zurich"
    assert figures(browser.get("/activity/summary/", february))["Total duration"] == "1 h 00 min"


def test_the_user_filter_narrows_the_sessions(as_user: AsUser, auditor: User, alice: User, outsider: User) -> None:
    ended(alice, HOUR)
    ended(outsider, 2 * HOUR)
    make_entry(user_name="root")
    browser = as_user(auditor)
    assert figures(browser.get("/activity/summary/?user=alice"))["Total duration"] == "1 h 00 min"
    assert figures(browser.get("/activity/summary/?user=root"))["Sessions"] == "0"


def test_others_get_figures_of_their_own_sessions(as_user: AsUser, alice: User, outsider: User) -> None:
    ended(alice, HOUR)
    ended(outsider, 9 * HOUR)
    answer = as_user(alice).get("/activity/summary/")
    assert figures(answer)["Total duration"] == "1 h 00 min"
    assert [row["User"] for row in table_rows_of(answer, "User")] == ["alice"]
    assert "outsider" not in answer.content.decode()


def table_rows_of(answer: Any, column: str) -> list[dict[str, str]]:
    """Return the rows of the only table that has this column."""
    html = answer.content.decode()
    for piece in html.split("<table")[1:]:
        piece = piece.split("</table>")[0]
        if f">{column}</th>" in piece:
            return table_rows(type("Piece", (), {"content": f"<table{piece}</table>".encode()}))
    return []


def test_the_first_five_or_ten_users_by_total_duration(as_user: AsUser, auditor: User) -> None:
    for number in range(12):
        person = builders.make_user(f"user-{number:02}")
        ended(person, HOUR * (number + 1))
        ended(person, HOUR)
    browser = as_user(auditor)
    rows = table_rows_of(browser.get("/activity/summary/"), "User")
    assert [row["User"] for row in rows] == ["user-11", "user-10", "user-09", "user-08", "user-07"]
    assert rows[0] == {
        "User": "user-11",
        "Sessions": "2",
        "Total": "13 h 00 min",
        "Average": "6 h 30 min",
        "Minimum": "1 h 00 min",
        "Maximum": "12 h 00 min",
    }
    assert len(table_rows_of(browser.get("/activity/summary/?top=10"), "User")) == 10


# --- entries over time


@pytest.mark.parametrize(
    ("asked", "step", "count"),
    [
        ({"period": "24h"}, "hour", 25),
        ({"period": "7d"}, "day", 8),
        ({"period": "1y"}, "week", 53),
        ({"since": "2026-03-01", "until": "2026-03-02"}, "hour", 48),
        ({"since": "2026-02-01", "until": "2026-03-01"}, "day", 29),
    ],
)
@pytest.mark.django_db
def test_every_step_of_the_period_is_there_also_the_empty_ones(asked: dict[str, str], step: str, count: int) -> None:
    now = dt.datetime(2026, 6, 3, 12, 30, tzinfo=dt.UTC)  # a Wednesday
    span = read_span(asked, now)
    assert span.start is not None
    make_entry("in it", span.start + dt.timedelta(minutes=1))
    found = LogEntry.objects.filter(message="in it")
    buckets = summary.buckets(found, span, now)
    assert summary.step_for(span, now).name == step
    assert (len(buckets), buckets[0].total, sum(bucket.total for bucket in buckets)) == (count, 1, 1)


@pytest.mark.django_db
def test_days_are_those_of_the_viewer_over_the_end_of_a_month_and_of_a_year() -> None:
    for text in ("2026-01-31T22:59:59.999999", "2026-01-31T23:00:00", "2025-12-31T23:30:00", "2025-12-31T22:30:00"):
        make_entry("counted", dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))
    now = dt.datetime(2026, 2, 2, tzinfo=dt.UTC)

    def days(zone: str) -> dict[str, int]:
        with timezone.override(zone):
            span = read_span({"since": "2025-12-30", "until": "2026-02-01"}, now)
            found = summary.buckets(LogEntry.objects.filter(message="counted"), span, now)
        assert len(found) == 34
        return {bucket.label: bucket.total for bucket in found if bucket.total}

    assert days("UTC") == {"Wed 31 Dec 2025": 2, "Sat 31 Jan 2026": 2}
    assert days("Europe/Zurich") == {
        "Wed 31 Dec 2025": 1,
        "Thu 01 Jan 2026": 1,
        "Sat 31 Jan 2026": 1,
        "Sun 01 Feb 2026": 1,
    }


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({}, ("Tue 10 Feb 2026 (from 14:05)", "10 Feb 14:05"), ("Tue 17 Feb 2026", "17 Feb")),
        ({"period": "24h"}, ("Mon 16 Feb 2026, 14:00 (from 14:05)", "16 Feb 14:05"), ("Tue 17 Feb 2026, 14:00", None)),
        ({"period": "6m"}, ("the week of 11 Aug 2025 (from 17 Aug 14:05)", "17 Aug 14:05"), (None, "16 Feb")),
        ({"since": "2026-02-02", "until": "2026-02-11"}, ("Mon 02 Feb 2026", "02 Feb"), ("Wed 11 Feb 2026", "11 Feb")),
        (
            {"since": "2026-02-02T09:30", "until": "2026-02-11T16:44"},
            ("Mon 02 Feb 2026 (from 09:30)", "02 Feb 09:30"),
            ("Wed 11 Feb 2026 (until 16:45)", "11 Feb"),
        ),
    ],
)
@pytest.mark.django_db
def test_a_bar_of_a_part_of_a_day_says_so(
    asked: dict[str, str], first: tuple[str, str], last: tuple[str | None, str | None]
) -> None:
    now = dt.datetime(2026, 2, 17, 13, 5, tzinfo=dt.UTC)
    with timezone.override("Europe/Zurich"):
        span = read_span(asked, now)
        make_entry("counted", span.start)
        found = summary.buckets(LogEntry.objects.filter(message="counted"), span, now)
    assert (found[0].label, found[0].tick, found[0].total) == (*first, 1)
    assert last[0] in (None, found[-1].label)
    assert last[1] in (None, found[-1].tick)
    assert not any("(" in bucket.label for bucket in found[1:-1])


@pytest.mark.django_db
def test_hours_stay_whole_in_zones_of_half_hours() -> None:
    make_entry("counted", dt.datetime(2026, 1, 1, 10, 20, tzinfo=dt.UTC))  # 15:50 in Kolkata
    make_entry("counted", dt.datetime(2026, 1, 1, 10, 40, tzinfo=dt.UTC))  # 16:10 in Kolkata
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    with timezone.override("Asia/Kolkata"):
        span = read_span({"since": "2026-01-01", "until": "2026-01-01"}, now)
        found = summary.buckets(LogEntry.objects.filter(message="counted"), span, now)
    assert {bucket.label: bucket.total for bucket in found if bucket.total} == {
        "Thu 01 Jan 2026, 15:00": 1,
        "Thu 01 Jan 2026, 16:00": 1,
    }


@pytest.mark.parametrize(
    ("zone", "day", "instants", "expected"),
    [
        (
            "Europe/Berlin",
            "2026-10-25",
            ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"],
            [
                ("Sun 25 Oct 2026, 02:00 UTC+02:00", "02:00 +02:00"),
                ("Sun 25 Oct 2026, 02:00 UTC+01:00", "02:00 +01:00"),
                ("Sun 25 Oct 2026, 03:00", "25 Oct 03:00"),
            ],
        ),
        (  # the clocks go back by half an hour only
            "Australia/Lord_Howe",
            "2026-04-05",
            ["2026-04-04T14:45", "2026-04-04T15:15", "2026-04-04T15:45"],
            [
                ("Sun 05 Apr 2026, 01:00 UTC+11:00", "01:00 +11:00"),
                ("Sun 05 Apr 2026, 01:00 UTC+10:30", "01:00 +10:30"),
                ("Sun 05 Apr 2026, 02:00", "05 Apr 02:00"),
            ],
        ),
    ],
)
@pytest.mark.django_db
def test_both_hours_of_one_name_are_apart_where_the_clocks_go_back(
    zone: str, day: str, instants: list[str], expected: list[tuple[str, str]]
) -> None:
    for text in instants:
        make_entry("back", dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    with timezone.override(zone):
        span = read_span({"since": day, "until": day}, now)
        found = summary.buckets(LogEntry.objects.filter(message="back"), span, now)
    assert [(bucket.label, bucket.tick) for bucket in found if bucket.total] == expected
    assert [bucket.total for bucket in found if bucket.total] == [1, 1, 1]
    assert len(found) == 25


@pytest.mark.django_db
def test_an_hour_that_the_clocks_skip_is_not_in_the_chart() -> None:
    make_entry("forward", dt.datetime(2026, 3, 29, 0, 30, tzinfo=dt.UTC))
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    with timezone.override("Europe/Berlin"):
        span = read_span({"since": "2026-03-29", "until": "2026-03-29"}, now)
        found = summary.buckets(LogEntry.objects.filter(message="forward"), span, now)
    assert [bucket.tick for bucket in found][:3] == ["29 Mar 00:00", "29 Mar 01:00", "29 Mar 03:00"]
    assert (len(found), found[1].total) == (23, 1)


@pytest.mark.django_db
def test_the_whole_log_is_counted_by_month_from_its_first_entry() -> None:
    make_entry("counted", dt.datetime(2024, 11, 30, tzinfo=dt.UTC))
    make_entry("counted", dt.datetime(2025, 2, 1, tzinfo=dt.UTC), level=Level.ERROR)
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    found = summary.buckets(LogEntry.objects.filter(message="counted"), read_span({"period": "custom"}, now), now)
    assert [(bucket.label, bucket.total, bucket.problems) for bucket in found] == [
        ("November 2024", 1, 0),
        ("December 2024", 0, 0),
        ("January 2025", 0, 0),
        ("February 2025", 1, 1),
    ]


def test_the_chart_counts_what_is_filtered_and_has_a_table(as_user: AsUser, auditor: User) -> None:
    for _ in range(3):
        make_entry("backup")
    make_entry("backup failed", level=Level.ERROR)
    make_entry("something else")
    answer = as_user(auditor).get("/activity/chart/?activity=backup")
    assert table_rows_of(answer, "When") == [
        {"When": f"{timezone.now():%a %d %b %Y}", "Entries": "4", "Warnings and errors": "1"}
    ]


@pytest.mark.django_db
def test_both_ways_to_count_the_entries_count_the_same() -> None:
    for hours in range(40):
        make_entry("counted", ago(hours=hours), level=Level.WARNING if hours % 7 == 0 else Level.INFO)
    now = timezone.now()
    for asked in ({"period": "24h"}, {"period": "1y"}, {"period": "custom"}):
        span = read_span(asked, now)
        entries = LogEntry.objects.filter(at__gte=span.start) if span.start else LogEntry.objects.all()
        found = summary.buckets(entries, span, now)
        assert found == summary.buckets(entries, span, now, Narrowing())
        assert sum(bucket.total for bucket in found) == entries.count() > 20
        assert sum(bucket.problems for bucket in found) == entries.filter(level=Level.WARNING).count() > 3


@pytest.mark.sqlite_only  # where a small table is read by its indexes too
def test_all_entries_are_counted_from_indexes_alone_and_what_is_filtered_once(as_user: AsUser, auditor: User) -> None:
    make_entry("backup", level=Level.ERROR)
    browser = as_user(auditor)

    def counting(**asked: str) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get("/activity/chart/", asked).status_code == 200
        return [explained(query["sql"]) for query in queries if "strftime" in query["sql"]]

    problems, everything = counting(period="1y")
    assert "USING COVERING INDEX log_problems" in problems
    assert "USING COVERING INDEX log_at" in everything
    for narrowed in ({"activity": "backup"}, {"user": auditor.get_username()}, {"level": "error"}):
        assert len(counting(**narrowed)) == 1


def test_the_drawing_is_well_formed_named_and_without_style(as_user: AsUser, auditor: User) -> None:
    make_entry("<&>", level=Level.ERROR)
    html = as_user(auditor).get("/activity/chart/").content.decode()
    text = html[html.rindex("<svg", 0, html.index('class="chart"')) :]
    svg = ElementTree.fromstring(text[: text.index("</svg>") + 6])  # noqa: S314 - our own template
    named = (svg.get("aria-labelledby") or "").split()
    texts = {element.get("id"): element.text for element in svg if element.get("id")}
    assert [bool(texts[name]) for name in named] == [True, True]
    assert svg.get("role") == "img"
    assert all(element.get("style") is None for element in svg.iter())
    assert "<style" not in html.split("<main", 1)[1]


def test_bars_stay_inside_the_drawing_and_the_tallest_reaches_the_top() -> None:
    chart = draw([Bucket(f"day {number}", "x", number, number // 2) for number in range(400)])
    assert chart.peak == 399
    assert len(chart.bars) == 399  # nothing is drawn for the empty one
    assert all(float(bar.x) + float(bar.width) <= WIDTH for bar in chart.bars)
    assert all(TOP <= float(bar.y) < BASE for bar in chart.bars)
    assert float(chart.bars[-1].y) == TOP
    assert 1 < len(chart.ticks) <= 8


def test_something_beside_a_lot_is_still_seen() -> None:
    small, _ = draw([Bucket("a", "a", 1, 1), Bucket("b", "b", 1_000_000, 0)]).bars
    assert float(small.height) >= 1
    assert float(small.problems_height) >= 1


def test_nothing_draws_nothing() -> None:
    assert draw([]).bars == draw([Bucket("a", "a", 0, 0)]).bars == []


# --- page and fragment


def test_the_chart_is_asked_for_apart_and_about_the_same(as_user: AsUser, auditor: User) -> None:
    make_entry("backup")
    browser = as_user(auditor)
    asked = {"period": "1m", "activity": "back", "top": "10", "sort": "-at", "level": ""}
    html = browser.get("/activity/summary/", asked, headers=FRAGMENT).content.decode()
    assert "<svg" not in html
    (url,) = re.findall(r'hx-get="(/activity/chart/[^"]*)"', html)
    assert f'<a href="{url}">' in html
    assert unescape(url) == "/activity/chart/?period=1m&activity=back"
    assert "Entries in the last month: 1<" in browser.get(unescape(url), headers=FRAGMENT).content.decode()


@pytest.mark.parametrize("path", ["/activity/summary/", "/activity/chart/"])
def test_it_is_a_page_and_a_fragment(as_user: AsUser, auditor: User, path: str) -> None:
    browser = as_user(auditor)
    page, fragment = browser.get(path), browser.get(path, headers=FRAGMENT)
    assert "<html" in page.content.decode()
    assert 'href="/activity/?' in page.content.decode()
    assert "<html" not in fragment.content.decode()
    assert "HX-Request" in fragment["Vary"]


@pytest.mark.parametrize("headers", [{}, FRAGMENT])
def test_it_takes_the_lists_own_parameters_and_refuses_others(
    as_user: AsUser, auditor: User, headers: dict[str, str]
) -> None:
    browser = as_user(auditor)
    asked = {"period": "1m", "since": "", "until": "", "user": "", "activity": "", "level": "", "sort": "-at"}
    assert browser.get("/activity/summary/", asked | {"top": "10"}, headers=headers).status_code == 200
    for wrong, shown_text in (("top=7", "5 or 10"), ("user=nobody", "no user called"), ("x=1", "no filter called")):
        answer = browser.get(f"/activity/summary/?{wrong}", headers=headers)
        assert answer.status_code == 400
        assert shown_text in answer.content.decode()
        assert (shown_text in problem(answer)) if not headers else ('id="results"' not in answer.content.decode())


def test_two_users_and_two_hundred_cost_the_same_queries(as_user: AsUser, auditor: User) -> None:
    browser = as_user(auditor)
    costs = []
    browser.get("/activity/summary/")  # who reads it is logged at first
    for count in (2, 200):
        for number in range(count):
            person = builders.make_user(f"user-{number}")
            ended(person, HOUR)
            make_entry(actor=person, user=person, at=ago(hours=number / 2))
        with CaptureQueriesContext(connection) as queries:
            assert browser.get("/activity/summary/?top=10").status_code == 200
        costs.append(len(queries))
    assert costs[0] == costs[1]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns", "Europe/Zurich"])
def test_days_begin_at_midnight_of_every_zone(zone: str, db: None) -> None:
    now = dt.datetime(2026, 4, 20, 12, tzinfo=dt.UTC)
    with timezone.override(zone):
        midnight = dt.datetime(2026, 4, 10, tzinfo=timezone.get_current_timezone())
        make_entry("counted", midnight - dt.timedelta(microseconds=1))
        make_entry("counted", midnight, level=Level.ERROR)
        found = summary.buckets(LogEntry.objects.filter(message="counted"), read_span({"period": "1m"}, now), now)
    counted = [(bucket.tick, bucket.total, bucket.problems) for bucket in found if bucket.total]
    assert counted == [("09 Apr", 1, 0), ("10 Apr", 1, 1)]


def test_the_database_counts_without_asking_python_about_each_entry(db: None) -> None:
    now = timezone.now()
    with CaptureQueriesContext(connection) as captured:
        summary.buckets(LogEntry.objects.all(), read_span({}, now), now)
    (query,) = captured.captured_queries
    assert "django_datetime" not in query["sql"]  # how Django's own functions for SQLite, written in Python, are called


@pytest.mark.sqlite_only  # PostgreSQL reads a small table whole
def test_sessions_are_counted_from_an_index_alone(auditor: User) -> None:
    now = timezone.now()
    question = summary.SessionQuestion(auditor, None, read_span({"period": "1y"}, now), now, 5)
    with CaptureQueriesContext(connection) as captured:
        summary.sessions(question)
    (counted,) = (query["sql"] for query in captured.captured_queries if "COUNT(" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {counted}")
        plan = " ".join(row[-1] for row in cursor.fetchall())
    assert "USING COVERING INDEX session_summary (user_id=? AND start_at>" in plan, plan
    assert "TEMP B-TREE" not in plan, plan
