"""Times in messages: stored as values in UTC, read by each in their own zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity import log
from activity.times_in_text import time_value, with_local_times
from activity.verbs import Verb
from sessions_app.privileged.models import Status
from tests.support import builders, pages
from tests.support.entries import download

AsUser = Callable[[User], Client]
END = dt.datetime(2026, 11, 3, 19, 19, 5, 654321, tzinfo=dt.UTC)
STORED = "The session is available until 2026-11-03T19:19:05Z"
IN_TOKYO = "The session is available until 2026-11-04 04:19:05 JST"


def in_tokyo(browser: Client) -> Client:
    """Return the browser of a person in Tokyo."""
    browser.cookies["timezone"] = "Asia/Tokyo"
    return browser


def test_a_stored_time_is_a_value_that_everybody_reads_in_their_zone() -> None:
    text = f"until {time_value(END)}, not before"
    assert text == "until 2026-11-03T19:19:05Z, not before"
    with timezone.override("America/New_York"):
        assert with_local_times(text) == "until 2026-11-03 14:19:05 EST, not before"
    with timezone.override("UTC"):
        assert with_local_times("2026-11-03T19:19:05.123+00:00;") == "2026-11-03 19:19:05 UTC;"


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T10:00:00Z",
        "0001-01-01T00:00:00Z",
        "2026-11-03T19:19:05+02:00",
        "x2026-11-03T19:19:05Z",
        "2026-11-03T19:19:05Zulu",
        "The time: 19:19",
    ],
)
def test_what_is_no_such_time_stays_as_it_is(text: str) -> None:
    with timezone.override("America/New_York"):
        assert with_local_times(text) == text


def test_every_page_shows_the_readers_time_and_downloads_keep_the_value(as_user: AsUser, alice: User) -> None:
    session = builders.make_session(alice, end_reason="Nobody decided before 2026-11-03T19:19:05Z.")
    entry = log.record(Verb.SESSION_AVAILABLE, STORED, user=alice, target=session, details={"end": STORED})
    browser = in_tokyo(as_user(alice))
    of_session = f"/sessions/{session.pk}/"
    for address in ("/activity/", f"/activity/{entry.pk}/", of_session, f"{of_session}log/"):
        shown = pages.text(pages.elements(browser.get(address)))
        assert IN_TOKYO in shown, address
        assert STORED not in shown, address
    assert "Nobody decided before 2026-11-04 04:19:05 JST." in pages.text(pages.elements(browser.get(of_session)))
    for address in ("/activity/", f"{of_session}log/"):
        assert STORED in [row["Message"] for row in download(browser.get(address, {"csv": "1"}))]
        found = browser.get(address, {"q": "2026-11-03T19:19:05Z", "activity": ""} if "log" in address else {})
        assert IN_TOKYO in pages.text(pages.elements(found))


def test_the_start_of_a_planned_session_is_told_in_the_readers_zone(as_user: AsUser, alice: User) -> None:
    policy = builders.make_policy(users=[alice])
    start = timezone.now().replace(microsecond=0) + dt.timedelta(days=3)
    session = builders.make_session(alice, Status.PENDING, policy=policy, scheduled_for=start)
    log.record(Verb.SESSION_SCHEDULED, f"The session begins at {time_value(start)}", user=alice, target=session)
    shown = pages.text(pages.elements(in_tokyo(as_user(alice)).get(f"/sessions/{session.pk}/")))
    assert f"The session begins at {start + dt.timedelta(hours=9):%Y-%m-%d %H:%M:%S} JST" in shown
