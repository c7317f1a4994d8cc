"""Who reads the log is in the log: once for each person, view and filter in a quarter of an hour."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.db import OperationalError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import once
from activity.models import Level, LogEntry, Outcome
from activity.once import LAST, WINDOW, record_once
from activity.verbs import Verb
from tests.support import pages
from tests.support.entries import make_entry

AsUser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def read() -> list[str]:
    return list(LogEntry.objects.filter(verb=Verb.LOG_READ).order_by("pk").values_list("message", flat=True))


def filters() -> list[dict[str, str]]:
    found = LogEntry.objects.filter(verb=Verb.LOG_READ).order_by("pk").values_list("details", flat=True)
    return [details["filters"] for details in found]


def test_the_log_says_who_read_it_and_with_which_filter(as_user: AsUser, auditor: User) -> None:
    browser = as_user(auditor)
    browser.get("/activity/", {"period": "1m", "level": "error", "sort": "-at"})
    (entry,) = LogEntry.objects.filter(verb=Verb.LOG_READ)
    assert entry.message == "Read the activity log"
    assert (entry.actor, entry.user, entry.outcome) == (auditor, auditor, Outcome.SUCCESS)
    assert entry.details == {"filters": {"period": "1m", "level": "error"}}


def test_one_view_counts_once_whatever_of_it_is_asked_for(as_user: AsUser, auditor: User) -> None:
    browser = as_user(auditor)
    first = browser.get("/activity/")
    assert read() == ["Read the activity log"]
    for address in ("/activity/", "/activity/?sort=at", "/activity/summary/?period=7d", "/activity/chart/?top=10"):
        assert browser.get(address).status_code == 200
        assert browser.get(address, headers=HTMX).status_code == 200
    assert read() == ["Read the activity log"]
    browser.get("/activity/?level=error", headers=HTMX)
    browser.get("/activity/summary/?level=error", headers=HTMX)
    assert filters() == [{}, {"level": "error"}]
    assert first.status_code == 200


def test_a_refresh_a_download_and_what_was_refused_are_no_reading(as_user: AsUser, auditor: User) -> None:
    browser = as_user(auditor)
    browser.get("/activity/", headers={**HTMX, "If-None-Match": '"x"'})
    browser.head("/activity/")
    pages.streamed(browser.get("/activity/?csv=1"))
    assert browser.get("/activity/?sort=nonsense").status_code == 400
    assert browser.get("/activity/123456/").status_code == 404
    assert read() == []


def test_each_person_and_each_subject_is_another_view(as_user: AsUser, auditor: User, admin: User, alice: User) -> None:
    entry, group = make_entry("one", actor=alice), Group.objects.create(name="Linux team")
    for browser in (as_user(auditor), as_user(admin)):
        for address in (
            f"/activity/{entry.pk}/",
            f"/users/{alice.pk}/?tab=activity",
            f"/groups/{group.pk}/?tab=activity",
        ):
            assert browser.get(address).status_code == 200
    assert (
        read()
        == [
            f"Read entry {entry.pk} of the activity log",
            "Read the activity log of alice",
            "Read the activity log of Linux team",
        ]
        * 2
    )
    as_user(alice).get("/activity/")  # who sees only their own entries is logged too
    assert LogEntry.objects.filter(verb=Verb.LOG_READ, actor=alice).count() == 1


def test_it_is_logged_again_after_a_quarter_of_an_hour(as_user: AsUser, auditor: User) -> None:
    browser = as_user(auditor)
    before = timezone.now() - WINDOW - dt.timedelta(seconds=1)
    make_entry("Read the activity log", before, actor=auditor, verb=Verb.LOG_READ, details={"filters": {}})
    browser.get("/activity/")
    assert len(read()) == 2


def test_another_process_knows_what_this_one_wrote(as_user: AsUser, auditor: User) -> None:
    browser = as_user(auditor)
    browser.get("/activity/")
    once.forget()
    browser.get("/activity/")
    assert len(read()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_list_that_is_read_again_asks_nothing_more(as_user: AsUser, auditor: User) -> None:
    browser = as_user(auditor)
    browser.get("/activity/")
    with CaptureQueriesContext(connection) as queries:
        browser.get("/activity/?sort=at")
    assert not [query["sql"] for query in queries if "log.read" in query["sql"]]


def test_in_an_outage_the_page_is_shown_and_the_web_server_says_who_read_it(
    as_user: AsUser, auditor: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(*args: object, **more: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("activity.reading.record_once", locked)
    assert as_user(auditor).get("/activity/?level=error").status_code == 200
    assert "Not in the activity log: Read the activity log by auditor: {'filters': {'level': 'error'}}" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_several_processes_at_the_same_moment_write_one_entry(auditor: User) -> None:
    begin = threading.Barrier(4)

    def run() -> None:
        begin.wait()
        record_once(Verb.LOG_READ, "Read the activity log", actor=auditor)
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(read()) == 1


@pytest.mark.django_db
def test_there_are_at_most_so_many_of_a_kind_and_the_last_one_says_so(alice: User, outsider: User) -> None:
    for number in range(5):
        record_once(Verb.LOG_READ, f"number {number}", actor=alice, level=Level.WARNING, most=3)
        record_once(Verb.LOG_READ, f"stranger {number}", most=3)
    assert read() == ["number 0", "stranger 0", "number 1", "stranger 1", f"number 2{LAST}", f"stranger 2{LAST}"]
    assert record_once(Verb.LOG_READ, "number 0", actor=outsider, most=3) is not None
