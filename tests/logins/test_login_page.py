"""/logins/<number>/: how somebody signed in, from where, with what, when it ends, and what was done in it."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import log
from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.gateway.models import EntryPoint, GatewayConnection
from sessions_app.gateway.upkeep import touch_terminals
from sessions_app.logins import addresses, service
from sessions_app.logins.models import EndReason, LoginAddress, LoginSession, Method, SecondFactor, hash_session_key
from sessions_app.privileged.models import Status
from tests.support.builders import PASSWORD, make_login, make_session
from tests.support.pages import elements

AsUser = Callable[[User], Client]
HOME, HOURS = "/", 3600
FOUND = "from X-Forwarded-For, written by our proxy 10.0.0.2, passed on by our proxy 10.0.0.1"


def page(client: Client, login: LoginSession) -> str:
    """Return the text of the page, without tags."""
    response = client.get(f"/logins/{login.pk}/")
    assert response.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def browser(address: str = "198.51.100.7", **headers: str) -> Client:
    client = Client(REMOTE_ADDR=address, headers=headers or None)
    assert client.post("/accounts/login/", {"username": "alice", "password": PASSWORD}).status_code == 302
    return client


def login_of(client: Client) -> LoginSession:
    return LoginSession.objects.get(key_hash=hash_session_key(client.session.session_key or ""))


def trail(client: Client, login: LoginSession) -> list[str]:
    """Return the text of each address, the one last seen first."""
    rows = elements(client.get(f"/logins/{login.pk}/")).findall(".//section[@id='addresses']//li")
    return [re.sub(r"\s+", " ", "".join(row.itertext())).strip() for row in rows]


# --- what it says


def test_it_says_how_the_person_signed_in_and_when_it_ends(alice: User, as_user: AsUser, settings: Any) -> None:
    settings.LOGIN_IDLE_TIMEOUT, settings.SESSION_COOKIE_AGE = HOURS, 12 * HOURS
    now = timezone.now()
    login = make_login(
        alice,
        signed_in_with=Method.PASSWORD,
        second_factor=SecondFactor.TOTP,
        confirmed_at=now,
        created_at=now - dt.timedelta(hours=2, minutes=-5),
        last_access_at=now - dt.timedelta(minutes=10),
    )
    text = page(as_user(alice), login)
    assert "Signed in with Password" in text
    assert "Second factor Authenticator app" in text
    assert re.search(r"Confirmed until \d\d:\d\d:\d\d", text)
    assert re.search(rf"Expires unused \S* ?{now + dt.timedelta(minutes=50):%H:%M:%S} in", text)
    assert re.search(rf"Expires in any case \S* ?{now + dt.timedelta(hours=10, minutes=5):%H:%M:%S} in", text)


def test_what_an_older_login_does_not_know_is_said(alice: User, as_user: AsUser) -> None:
    text = page(as_user(alice), make_login(alice))
    assert "Signed in with not recorded" in text
    assert "This login began before the console wrote down what a login opens." in text


def test_an_ended_one_says_who_ended_it_and_why_and_has_no_logout(alice: User, admin: User, as_user: AsUser) -> None:
    login = make_login(alice)
    service.end(login, EndReason.FORCED, actor=admin, note="A test")
    client = as_user(admin)
    text = page(client, login)
    assert "Why Logged out by an administrator" in text
    assert "Ended by admin" in text
    assert "Reason A test" in text
    links = elements(client.get(f"/logins/{login.pk}/")).findall(".//*[@id='login-buttons']/a")
    assert [link.get("href") for link in links] == [f"/users/{alice.pk}/logout/"]


def test_rows_of_the_list_lead_to_it(alice: User, as_user: AsUser) -> None:
    login = make_login(alice)
    row = elements(as_user(alice).get("/logins/")).find(f".//tr[@id='row-{login.pk}']/td[@class='note opens']/a")
    assert row is not None
    assert row.get("href") == f"/logins/{login.pk}/"


def test_a_logout_there_shows_the_page_again(alice: User, admin: User, as_user: AsUser) -> None:
    login = make_login(alice)
    client = as_user(admin)
    button = elements(client.get(f"/logins/{login.pk}/")).find(".//*[@id='login-buttons']/a")
    assert button is not None
    question = client.get(button.get("href") or "")
    assert f'value="/logins/{login.pk}/"' in question.content.decode()
    sent = {"ids": login.pk, "next": f"/logins/{login.pk}/", "reason": ""}
    answer = client.post("/logins/logout/", sent, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == f"/logins/{login.pk}/"
    assert "Ended" in page(client, login)


def test_an_auditor_is_told_why_there_is_no_logout(alice: User, auditor: User, as_user: AsUser) -> None:
    assert "Only administrators log other people out." in page(as_user(auditor), make_login(alice))


# --- the addresses


def test_each_address_stays_with_its_times_and_how_it_was_found(
    alice: User, admin: User, as_user: AsUser, settings: Any
) -> None:
    client = browser()
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    client.get(HOME, REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "203.0.113.77, 10.0.0.2"})
    login = login_of(client)
    now, before = trail(as_user(admin), login)
    assert re.fullmatch(rf"203.0.113.77 Unknown .* Found: {FOUND}", now)
    assert re.fullmatch("198.51.100.7 Unknown .* Found: the address of the connection itself", before)
    first = LoginAddress.objects.get(login=login, ip="198.51.100.7")
    moved = LoginAddress.objects.get(login=login, ip="203.0.113.77")
    assert (first.source, first.proxies) == ("peer", "")
    assert (moved.source, moved.proxies) == ("header", "10.0.0.1, 10.0.0.2")
    assert first.first_seen_at == login.created_at
    assert moved.first_seen_at > first.last_seen_at


def test_an_address_that_comes_back_is_one_line(alice: User) -> None:
    client = browser()
    for address in ("203.0.113.5", "198.51.100.7", "203.0.113.5"):
        client.get(HOME, REMOTE_ADDR=address)
    assert sorted(LoginAddress.objects.values_list("ip", flat=True)) == ["198.51.100.7", "203.0.113.5"]
    assert LogEntry.objects.filter(verb=Verb.LOGIN_MOVED).count() == 3


def test_a_login_from_before_keeps_the_address_that_it_leaves(alice: User, rf: Any) -> None:
    login = make_login(alice)
    service.touch(login, rf.get(HOME, REMOTE_ADDR="203.0.113.5"))
    before = LoginAddress.objects.get(login=login, ip="198.51.100.7")
    assert (before.city, before.source, before.last_seen_at) == ("Bern", "", login.last_access_at)


def test_there_are_not_endless_addresses(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST", 3)
    client = browser()
    for number in range(6):
        client.get(HOME, REMOTE_ADDR=f"203.0.113.{number}")
    kept = list(LoginAddress.objects.order_by("pk").values_list("ip", flat=True))
    assert kept == ["198.51.100.7", "203.0.113.4", "203.0.113.5"]


# --- what was done in it


def test_it_lists_what_was_opened_and_the_entries_of_this_login_alone(alice: User, as_user: AsUser) -> None:
    client, other = browser(), browser()
    session = make_session(alice, Status.AVAILABLE)
    login = login_of(client)
    GatewayConnection.objects.create(
        session=session, gateway="g", entry_point=EntryPoint.BROWSER, login_session=login, client="Firefox"
    )
    b"".join(client.get("/sessions/?csv=1"))
    b"".join(other.get("/logins/?csv=1"))
    text = page(client, login)
    assert f"Browser to {session.resource_name}" in text
    assert "Began to download sessions as CSV" in text
    assert "Began to download login sessions as CSV" not in text
    assert "alice logged in with" in text
    exported = LogEntry.objects.filter(verb__in=[Verb.EXPORT_BEGAN, Verb.EXPORTED])
    assert set(exported.values_list("login_id", flat=True)) == {login.pk, login_of(other).pk}


def test_somebody_without_the_role_sees_no_entries_of_others(alice: User, admin: User, as_user: AsUser) -> None:
    login = make_login(alice)
    with log.coming_from("198.51.100.7", lambda: login.pk):
        log.record(Verb.RECORD_CHANGED, "A change by somebody else", actor=admin)
    assert "A change by somebody else" not in page(as_user(alice), login)
    assert "A change by somebody else" in page(as_user(admin), login)


def test_few_and_many_cost_the_same_queries(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    login = make_login(alice, signed_in_with=Method.PASSWORD)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(client, login)
        return len(captured)

    def fill(count: int) -> None:
        session = make_session(alice, Status.AVAILABLE)
        for number in range(count):
            with log.coming_from("198.51.100.7", lambda: login.pk):
                log.record(Verb.PASSWORD_GIVEN, f"One-time password {number}", actor=alice, target=session)
            GatewayConnection.objects.create(
                session=session, gateway="g", entry_point=EntryPoint.SSH, login_session=login
            )
            LoginAddress.objects.create(
                login=login,
                ip=f"203.0.113.{LoginAddress.objects.count()}",
                first_seen_at=timezone.now(),
                last_seen_at=timezone.now(),
            )

    fill(1)
    few = cost()
    fill(60)
    assert cost() == few


# --- when it ends


def test_the_stored_end_follows_each_use(alice: User, settings: Any) -> None:
    settings.LOGIN_IDLE_TIMEOUT, settings.SESSION_COOKIE_AGE = HOURS, 12 * HOURS
    client = browser()
    login = login_of(client)
    assert login.expires_at == login.created_at + dt.timedelta(hours=1)
    LoginSession.objects.filter(pk=login.pk).update(last_access_at=timezone.now() - dt.timedelta(minutes=5))
    client.get(HOME)
    login.refresh_from_db()
    assert login.expires_at == login.last_access_at + dt.timedelta(hours=1)
    begun = timezone.now() - dt.timedelta(hours=11, minutes=30)
    LoginSession.objects.filter(pk=login.pk).update(
        created_at=begun, last_access_at=timezone.now() - dt.timedelta(minutes=5)
    )
    client.get(HOME)
    login.refresh_from_db()
    assert login.expires_at == begun + dt.timedelta(hours=12)
    service.end(login, EndReason.LOGOUT, actor=alice)
    login.refresh_from_db()
    assert login.expires_at is None


def test_typing_in_a_terminal_moves_the_end_too(alice: User, settings: Any) -> None:
    settings.LOGIN_IDLE_TIMEOUT, settings.SESSION_COOKIE_AGE = HOURS, 12 * HOURS
    login = make_login(alice, last_access_at=timezone.now() - dt.timedelta(minutes=5))
    typed = GatewayConnection.objects.create(
        session=make_session(alice, Status.LOGGED_IN), gateway="g", entry_point=EntryPoint.BROWSER, login_session=login
    )
    touch_terminals([typed.pk])
    login.refresh_from_db()
    assert login.expires_at == login.last_access_at + dt.timedelta(hours=1)
