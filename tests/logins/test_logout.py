"""Logging out: oneself, one's other browsers, and as an administrator anybody's."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import EndReason, LoginSession, LogoutNote, hash_session_key
from sessions_app.privileged.flows.account import lock_account
from tests.support import pages
from tests.support.builders import make_admin, make_login

AsUser = Callable[[User], Client]
LOGOUT, OTHERS = "/logins/logout/", "/logins/logout-others/"
HTMX = {"HX-Request": "true"}


def login_of(client: Client) -> LoginSession:
    return LoginSession.objects.get(key_hash=hash_session_key(client.session.session_key or ""))


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def messages_of(response: Any) -> list[list[str]]:
    messages: list[list[str]] = json.loads(response["HX-Trigger"])["done"]["messages"]
    return messages


# --- the button in the frame


def test_logging_out_ends_the_login_and_goes_to_the_login_page(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    login = login_of(client)
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    login.refresh_from_db()
    assert (login.end_reason, login.ended_by) == (EndReason.LOGOUT, alice)
    assert LogEntry.objects.get(verb=Verb.LOGOUT).message.startswith("alice logged out from")
    assert not is_in(client)


def test_a_link_cannot_log_anybody_out(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    assert client.get("/accounts/logout/").status_code == 405
    assert is_in(client)


@pytest.mark.parametrize("path", ["/accounts/logout/", LOGOUT, OTHERS])
def test_another_site_cannot_log_anybody_out(alice: User, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(path, {"ids": [login_of(strict).pk]}).status_code == 403
    assert is_in(strict)


# --- from the list


def test_an_administrator_logs_somebody_out_at_once(alice: User, admin: User, as_user: AsUser) -> None:
    client, boss = as_user(alice), as_user(admin)
    login = login_of(client)
    response = boss.post(LOGOUT, {"ids": [login.pk], "next": "/logins/?q=alice"})
    assert response["Location"] == "/logins/?q=alice"
    assert not is_in(client)
    login.refresh_from_db()
    assert (login.end_reason, login.ended_by) == (EndReason.FORCED, admin)
    entry = LogEntry.objects.get(verb=Verb.LOGOUT_FORCED)
    assert (entry.actor, entry.user, entry.target_id) == (admin, alice, login.pk)
    assert "Logged out alice" in boss.get("/logins/").content.decode()


def test_many_are_logged_out_with_one_click_and_each_is_reported(
    alice: User, outsider: User, admin: User, as_user: AsUser
) -> None:
    logins = [make_login(alice), make_login(outsider), make_login(alice)]
    over = logins[2]
    boss = as_user(admin)
    boss.post(LOGOUT, {"ids": [over.pk]})
    response = boss.post(LOGOUT, {"ids": [login.pk for login in logins]}, headers=HTMX)
    assert response.status_code == 204
    assert messages_of(response) == [
        ["success", "Logged out alice from Firefox (Bern)."],
        ["success", "Logged out outsider from Firefox (Bern)."],
        ["error", "alice was logged out there already."],
    ]
    assert list(LoginSession.objects.live().values_list("user_name", flat=True)) == ["admin"]


def test_a_person_logs_out_another_browser_of_their_own(alice: User, as_user: AsUser) -> None:
    here, there = as_user(alice), as_user(alice)
    login = login_of(there)
    here.post(LOGOUT, {"ids": [login.pk]})
    assert is_in(here)
    assert not is_in(there)
    login.refresh_from_db()
    assert (login.end_reason, login.ended_by) == (EndReason.OTHERS, alice)


def test_a_person_may_log_out_the_browser_they_sit_at(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    login = login_of(client)
    client.post(LOGOUT, {"ids": [login.pk]})
    assert not is_in(client)
    login.refresh_from_db()
    assert not login.is_live


def test_a_browser_of_somebody_else_is_not_there(alice: User, outsider: User, as_user: AsUser) -> None:
    theirs, mine = make_login(alice), as_user(outsider)
    own = login_of(mine)
    for send in (mine.get, mine.post):
        assert send(LOGOUT, {"ids": [own.pk, theirs.pk]}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.is_live
    assert is_in(mine)


def test_an_auditor_sees_everybody_and_logs_out_nobody_else(alice: User, auditor: User, as_user: AsUser) -> None:
    theirs, client = make_login(alice), as_user(auditor)
    page = client.get(LOGOUT, {"ids": [theirs.pk]}, headers=HTMX).content.decode()
    assert "Only administrators log other people out." in page
    assert "<form" not in page
    own = make_login(auditor)
    assert client.post(LOGOUT, {"ids": [theirs.pk, own.pk]}).status_code == 403
    assert LoginSession.objects.live().filter(pk__in=[theirs.pk, own.pk]).count() == 2
    client.post(LOGOUT, {"ids": [own.pk]})
    own.refresh_from_db()
    assert not own.is_live


def test_the_confirmation_names_the_browsers_and_what_is_not_possible(
    alice: User, admin: User, as_user: AsUser
) -> None:
    boss = as_user(admin)
    live, over = make_login(alice), make_login(alice, browser="Safari")
    boss.post(LOGOUT, {"ids": [over.pk]})
    page = boss.get(LOGOUT, {"ids": [live.pk, over.pk]}, headers=HTMX).content.decode()
    assert page.lstrip().startswith("<h2")
    assert "alice: Firefox on Windows, 198.51.100.7 (Bern)" in " ".join(page.split())
    assert "This login session is over already." in page
    assert f'name="ids" value="{live.pk}"' in page
    assert f'name="ids" value="{over.pk}"' not in page
    whole = boss.get(LOGOUT, {"ids": [live.pk]}).content.decode()
    assert "<!DOCTYPE html>" in whole
    assert 'id="dialog-title"' in whole
    assert LoginSession.objects.get(pk=live.pk).is_live


def test_the_confirmation_warns_about_the_own_browser(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    page = client.get(LOGOUT, {"ids": [login_of(client).pk]}, headers=HTMX).content.decode()
    assert "This browser is among them" in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_selected_is_said_and_nothing_is_done(alice: User, as_user: AsUser, method: str) -> None:
    client = as_user(alice)
    response = getattr(client, method)(LOGOUT, {"next": "/logins/"}, headers=HTMX)
    assert messages_of(response) == [["error", "Select a login session first. Nobody was logged out."]]
    assert is_in(client)


@pytest.mark.parametrize("ids", [["x"], ["-1"], ["1.5"], ["9" * 30], ["²"], ["1"] * 201, ["1; DROP"]])
@pytest.mark.parametrize("method", ["get", "post"])
def test_numbers_that_are_none_are_refused(admin: User, as_user: AsUser, method: str, ids: list[str]) -> None:
    assert getattr(as_user(admin), method)(LOGOUT, {"ids": ids}).status_code == 400


def test_the_way_back_stays_on_this_host(alice: User, admin: User, as_user: AsUser) -> None:
    boss = as_user(admin)
    response = boss.post(LOGOUT, {"ids": [make_login(alice).pk], "next": "https://evil.example/"})
    assert response["Location"] == "/logins/"


# --- why one was logged out


def told(client: Client) -> str:
    """Return what the login page says about the logout; empty where it says nothing."""
    found = pages.elements(client.get("/accounts/login/")).find(".//*[@id='farewell']")
    return "" if found is None else pages.text(found)


def test_who_was_logged_out_reads_why_at_the_login_page_until_the_next_login(
    alice: User, admin: User, as_user: AsUser
) -> None:
    client = as_user(alice)
    client.cookies["timezone"] = "Asia/Tokyo"
    login = login_of(client)
    as_user(admin).post(LOGOUT, {"ids": [login.pk], "reason": "Shared <computer>"})
    login.refresh_from_db()
    assert login.ended_at is not None
    in_tokyo = login.ended_at + dt.timedelta(hours=9)
    assert told(client) == f"admin logged you out at {in_tokyo:%Y-%m-%d %H:%M:%S} JST: Shared <computer>."
    entry = LogEntry.objects.get(verb=Verb.LOGOUT_FORCED)
    assert entry.message.endswith(": Logged out by an administrator. Shared <computer>")
    assert entry.details["note"] == "Shared <computer>"
    client.force_login(alice)
    assert told(client) == ""


def test_strangers_and_other_browsers_learn_nothing_about_a_logout(
    alice: User, outsider: User, admin: User, as_user: AsUser
) -> None:
    client, other, stranger = as_user(alice), as_user(alice), Client()
    as_user(admin).post(LOGOUT, {"ids": [login_of(client).pk], "reason": "Left the company"})
    stranger.cookies["sessionid"] = login_of(client).key_hash[:32]  # a key that is none
    assert told(stranger) == told(Client()) == told(other) == told(as_user(outsider)) == ""
    for browser in (stranger, other):
        assert "Left the company" not in browser.get("/accounts/login/").content.decode()


def test_a_lock_is_told_too_but_neither_ones_own_logout_nor_an_old_one(
    alice: User, admin: User, as_user: AsUser
) -> None:
    locked, own, old = as_user(alice), as_user(alice), as_user(alice)
    as_user(alice).post(LOGOUT, {"ids": [login_of(own).pk], "reason": "Not kept"})
    assert told(own) == ""
    lock_account(admin, alice, title="Suspicious activity")
    assert told(locked).endswith(": Suspicious activity.")
    LoginSession.objects.filter(pk=login_of(old).pk).update(ended_at=timezone.now() - dt.timedelta(days=2))
    assert told(old) == ""
    assert LogoutNote.objects.filter(text="Not kept").count() == 0


def test_reasons_can_be_picked_and_own_words_are_not_lost(alice: User, admin: User, as_user: AsUser) -> None:
    boss, theirs = as_user(admin), make_login(alice)
    dialog = pages.elements(boss.get(LOGOUT, {"ids": [theirs.pk]}, headers=HTMX))
    line = dialog.find(".//input[@name='reason']")
    assert line is not None
    offered = dialog.iterfind(f".//datalist[@id='{line.attrib['list']}']/option")
    assert "Shared computer" in [option.attrib["value"] for option in offered]
    answer = boss.post(LOGOUT, {"ids": [theirs.pk], "reason": "x" * 121}, headers=HTMX)
    assert answer.status_code == 422
    assert "x" * 121 in answer.content.decode()
    assert LoginSession.objects.live().filter(pk=theirs.pk).exists()
    mine = boss.get(LOGOUT, {"ids": [login_of(boss).pk]}, headers=HTMX).content.decode()
    assert 'name="reason"' not in mine  # nobody explains it to themselves


# --- all my other sessions


def test_all_other_browsers_of_mine_are_logged_out_and_nobody_elses(
    alice: User, outsider: User, as_user: AsUser
) -> None:
    here, there, theirs = as_user(alice), as_user(alice), as_user(outsider)
    make_login(alice)
    assert "2 other browsers of yours" in here.get(OTHERS, headers=HTMX).content.decode()
    response = here.post(OTHERS, headers=HTMX)
    assert messages_of(response) == [["success", "Logged out 2 other sessions of yours."]]
    assert (is_in(here), is_in(there), is_in(theirs)) == (True, False, True)
    assert "There is nothing to log out." in here.get(OTHERS).content.decode()
    assert messages_of(here.post(OTHERS, headers=HTMX)) == [["success", "You had no other sessions."]]


# --- two at once


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_at_once_one_logs_the_browser_out_and_the_other_is_told() -> None:
    bosses = []
    for name in ("admin", "chief"):
        client = Client()
        client.force_login(make_admin(name))
        bosses.append(client)
    login = make_login()
    start = Barrier(2)

    def act(client: Client) -> list[list[str]]:
        try:
            start.wait()
            return messages_of(client.post(LOGOUT, {"ids": [login.pk]}, headers=HTMX))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        shown_text = sorted(line for lines in pool.map(act, bosses) for line in lines)
    assert shown_text == [
        ["error", "alice was logged out there already."],
        ["success", "Logged out alice from Firefox (Bern)."],
    ]
    assert LogEntry.objects.filter(verb=Verb.LOGOUT_FORCED, target_id=login.pk).count() == 1
