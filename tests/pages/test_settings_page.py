"""/settings/: what people choose for themselves, on pages, at a login and for mails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.people.models import PersonalSettings
from sessions_app.privileged.flows.mail import ask_approvers, tell_people
from sessions_app.privileged.models import Status
from tests.support import builders, pages
from tests.support.entries import make_entry

AsUser = Callable[[User], Client]
CHOSEN = {
    "zone": "Asia/Tokyo",
    "theme": "dark",
    "density": "compact",
    "start_page": "approvals",
    "mails_sessions": "on",
}


def cookies(browser: Client) -> dict[str, str]:
    return {name: cookie.value for name, cookie in browser.cookies.items()}


def test_choices_are_saved_logged_and_hold_in_this_browser_at_once(as_user: AsUser, alice: User) -> None:
    browser = as_user(alice)
    browser.cookies["timezone"] = "Europe/Zurich"  # the browser's own zone
    assert browser.post("/settings/", CHOSEN).status_code == 302
    chosen = PersonalSettings.objects.get(user=alice)
    assert (chosen.zone, chosen.start_page, chosen.mails_approvals) == ("Asia/Tokyo", "approvals", False)
    assert {"zone": "Asia/Tokyo", "theme": "dark", "density": "compact"}.items() <= cookies(browser).items()
    entry = make_entry("x", dt.datetime(2026, 1, 1, 20, 0, tzinfo=dt.UTC), actor=alice, user=alice)
    assert "2026-01-02 05:00:00" in pages.text(pages.elements(browser.get(f"/activity/{entry.pk}/")))
    browser.post("/settings/", {**CHOSEN, "zone": ""})
    assert cookies(browser)["zone"] == ""  # deleted: the browser's own zone counts again
    assert "2026-01-01 21:00:00" in pages.text(pages.elements(browser.get(f"/activity/{entry.pk}/")))
    changed = LogEntry.objects.filter(verb=Verb.RECORD_CHANGED, actor=alice).latest("pk")
    assert changed.details["changes"] == {"zone": {"old": "Asia/Tokyo", "new": ""}}


def test_the_page_shows_what_was_chosen(as_user: AsUser, alice: User, outsider: User) -> None:
    as_user(alice).post("/settings/", CHOSEN)
    page = pages.elements(as_user(alice).get("/settings/"))
    selected = [option.attrib["value"] for option in page.iterfind(".//option[@selected]")]
    assert selected == ["Asia/Tokyo", "dark", "compact", "approvals"]
    other = pages.elements(as_user(outsider).get("/settings/"))  # nobody sees the choice of another
    assert [option.attrib["value"] for option in other.iterfind(".//option[@selected]")] == ["", "", "", "home"]


@pytest.mark.parametrize(("field", "value"), [("zone", "Mars/Olympus"), ("theme", "pink"), ("start_page", "/evil/")])
def test_what_is_no_choice_is_refused_and_the_rest_is_not_lost(
    as_user: AsUser, alice: User, field: str, value: str
) -> None:
    answer = as_user(alice).post("/settings/", {**CHOSEN, field: value})
    assert answer.status_code == 422
    page = pages.elements(answer)
    assert "Nothing was saved." in pages.text(page)
    assert "compact" in [option.attrib["value"] for option in page.iterfind(".//option[@selected]")]
    assert not PersonalSettings.objects.exists()


def log_in(browser: Client, user: User, **more: str) -> Any:
    user.set_password("correct horse battery")
    user.save()
    return browser.post("/accounts/login/", {"username": user.username, "password": "correct horse battery", **more})


def test_a_login_takes_the_choices_over_and_opens_the_first_page(as_user: AsUser, alice: User) -> None:
    as_user(alice).post("/settings/", CHOSEN)
    browser = Client()
    answer = log_in(browser, alice)
    assert answer.headers["Location"] == "/approvals/"
    assert {"zone": "Asia/Tokyo", "theme": "dark", "density": "compact"}.items() <= cookies(browser).items()
    assert log_in(Client(), alice, next="/logins/").headers["Location"] == "/logins/"
    assert log_in(Client(), alice, next="/").headers["Location"] == "/approvals/"  # who opened the bare address


def test_who_never_chose_keeps_the_browsers_theme_but_not_the_zone_of_somebody_else(alice: User) -> None:
    browser = Client()
    browser.cookies["theme"], browser.cookies["zone"] = "dark", "Asia/Tokyo"
    assert log_in(browser, alice).headers["Location"] == "/"
    assert (cookies(browser)["theme"], cookies(browser)["zone"]) == ("dark", "")


def test_mails_are_sent_to_those_who_want_them_and_name_times_in_their_zone(
    alice: User, approver: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    boss = builders.make_user("boss")
    profile = builders.make_profile(tiers=[[approver, boss]])
    start = dt.datetime(2027, 1, 1, 20, 0, tzinfo=dt.UTC)
    session = builders.make_session(alice, Status.WAITING, profile=profile, scheduled_for=start, current_tier=1)
    PersonalSettings.objects.create(user=approver, mails_approvals=False)
    PersonalSettings.objects.create(user=boss, zone="Asia/Tokyo")
    PersonalSettings.objects.create(user=alice, zone="Europe/Zurich")
    with django_capture_on_commit_callbacks(execute=True):
        ask_approvers([session])
        tell_people(session, "Approval failed", "Nobody decided before 2027-01-01T20:00:00Z.")
    to_boss, to_alice = mail.outbox
    assert (to_boss.to, to_alice.to) == (["boss@example.com"], ["alice@example.com"])
    assert "Start: 2027-01-02 05:00 JST" in to_boss.body
    assert "Nobody decided before 2027-01-01 21:00:00 CET." in to_alice.body
    PersonalSettings.objects.filter(user=alice).update(mails_sessions=False)
    with django_capture_on_commit_callbacks(execute=True):
        tell_people(session, "Denied", "No.")
    assert len(mail.outbox) == 2
