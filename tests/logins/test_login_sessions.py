"""A login session from its first request to its end: one joined query, one note a minute, refused once it is over."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins import service
from sessions_app.logins.checks import SERVER_SIDE_ENGINES
from sessions_app.logins.models import EndReason, LoginSession, hash_session_key
from tests.support.builders import PASSWORD, make_login

LOGIN, HOME, PASSWORD_PAGE = "/accounts/login/", "/", "/accounts/password/"
ENGINES = sorted(SERVER_SIDE_ENGINES)


def browser(name: str = "alice", address: str = "198.51.100.7") -> Client:
    client = Client(REMOTE_ADDR=address)
    assert client.post(LOGIN, {"username": name, "password": PASSWORD}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get(HOME).status_code == 200


def login_of(client: Client) -> LoginSession:
    return LoginSession.objects.get(key_hash=hash_session_key(client.session.session_key or ""))


def queries(client: Client, path: str = "/help/images/activity.png") -> list[str]:
    """Return the queries of a request, without savepoints, which stand for transactions inside of a test."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code < 400
    return [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]


def age(client: Client, **by: float) -> dt.datetime:
    """Move the last access into the past; returns what it is now."""
    then = timezone.now() - dt.timedelta(**by)
    LoginSession.objects.filter(pk=login_of(client).pk).update(last_access_at=then)
    return then


# --- what it costs


def test_a_page_costs_the_session_and_one_query_for_user_and_login(alice: User) -> None:
    client = browser()
    asked = queries(client)
    assert len(asked) == 2
    assert "django_session" in asked[0]
    assert "auth_user" in asked[1]
    assert "sessions_app_loginsession" in asked[1]


def test_the_last_access_is_noted_once_a_minute_with_one_update(alice: User) -> None:
    client = browser()
    age(client, seconds=59)
    assert len(queries(client)) == 2
    then = age(client, seconds=61)
    asked = queries(client)
    assert [sql for sql in asked if not sql.startswith("SELECT")] == asked[2:]
    assert len(asked) == 3
    assert asked[2].startswith('UPDATE "sessions_app_loginsession"')
    assert login_of(client).last_access_at > then
    assert len(queries(client)) == 2


def test_an_open_page_that_refreshes_itself_is_no_access(alice: User) -> None:
    client = browser()
    refresh = {"HX-Request": "true", "If-None-Match": client.get("/alive/")["ETag"]}
    then = age(client, minutes=5)
    assert client.get("/alive/", headers=refresh).status_code == 304
    assert login_of(client).last_access_at == then
    client.get("/alive/", headers=refresh, REMOTE_ADDR="198.51.100.77")
    assert login_of(client).ip == "198.51.100.77"
    assert LogEntry.objects.filter(verb=Verb.LOGIN_MOVED).count() == 1


def test_of_two_requests_at_once_one_notes_the_access(alice: User, rf: Any) -> None:
    client = browser()
    age(client, seconds=90)
    one, other = login_of(client), login_of(client)
    request = rf.get(HOME, REMOTE_ADDR="198.51.100.7")
    service.touch(one, request)
    noted = login_of(client).last_access_at
    service.touch(other, request)
    assert login_of(client).last_access_at == noted


def test_a_stranger_costs_no_query(client: Client, db: None) -> None:
    assert queries(client) == []


# --- where it comes from


def test_a_browser_that_moves_is_noted_with_its_new_place(alice: User) -> None:
    client = browser()
    client.get(HOME, REMOTE_ADDR="203.0.113.5")
    assert login_of(client).ip == "203.0.113.5"  # at once
    client.get(HOME, REMOTE_ADDR="203.0.113.5")
    entry = LogEntry.objects.get(verb=Verb.LOGIN_MOVED)
    assert "203.0.113.5" in entry.message
    assert "198.51.100.7" in entry.message


def test_an_address_that_changes_twice_within_a_minute_leaves_two_entries(alice: User) -> None:
    client, other = browser(), browser()
    for address in ("203.0.113.5", "203.0.113.5", "198.51.100.7"):
        client.get(HOME, REMOTE_ADDR=address)
    entries = LogEntry.objects.filter(verb=Verb.LOGIN_MOVED).order_by("pk")
    assert [entry.message.partition(" before")[0] for entry in entries] == [
        "alice went on from Unknown (203.0.113.5),",
        "alice went on from Unknown (198.51.100.7),",
    ]
    assert {entry.target_id for entry in entries} == {login_of(client).pk}
    assert login_of(other).ip == "198.51.100.7"


def test_of_two_requests_from_the_new_address_one_leaves_an_entry(alice: User, rf: Any) -> None:
    client = browser()
    one, other = login_of(client), login_of(client)
    request = rf.get(HOME, REMOTE_ADDR="203.0.113.5")
    service.touch(one, request)
    service.touch(other, request)
    assert LogEntry.objects.filter(verb=Verb.LOGIN_MOVED).count() == 1


def test_a_forwarded_address_counts_only_behind_our_own_proxy(alice: User, settings: Any) -> None:
    headers = {"X-Forwarded-For": "203.0.113.77"}
    Client().post(LOGIN, {"username": "alice", "password": PASSWORD}, headers=headers, REMOTE_ADDR="10.0.0.1")
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    Client().post(LOGIN, {"username": "alice", "password": PASSWORD}, headers=headers, REMOTE_ADDR="10.0.0.1")
    assert list(LoginSession.objects.order_by("pk").values_list("ip", "city")) == [
        ("10.0.0.1", "Private network"),
        ("203.0.113.77", "Unknown"),
    ]


def test_a_browser_without_address_or_name_is_recorded_all_the_same(alice: User) -> None:
    client = browser(address="")
    login = login_of(client)
    assert (login.ip, login.city, login.user_agent) == (None, "Unknown", "")
    assert is_in(client)


def test_hostile_headers_do_not_break_a_login(alice: User) -> None:
    client = Client()
    response = client.post(
        LOGIN,
        {"username": "alice", "password": PASSWORD},
        headers={
            "User-Agent": "\x1b[31m" + "A" * 5000,
            "Sec-CH-UA-Full-Version-List": f'"{"B" * 900}";v="{"9." * 400}"',
            "Sec-CH-UA-Platform": f'"{"C" * 900}"',
            "Sec-CH-UA-Platform-Version": f'"{"8." * 400}"',
        },
    )
    assert response.status_code == 302
    login = login_of(client)
    assert "\x1b" not in login.user_agent
    assert len(login.user_agent) <= 512


# --- how it ends


@pytest.mark.parametrize("engine", ENGINES)
def test_an_ended_login_is_refused_by_the_next_request(alice: User, settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = engine
    client, other = browser(), browser()
    assert is_in(client)
    service.end(login_of(client), EndReason.FORCED, actor=None)
    assert not is_in(client)
    assert is_in(other)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_page_that_stands_open_is_sent_to_the_login(alice: User, settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = engine
    client = browser()
    assert client.get("/alive/", headers={"HX-Request": "true"}).status_code == 200
    service.end(login_of(client), EndReason.FORCED, actor=None)
    response = client.get(
        "/alive/",
        headers={
            "HX-Request": "true",
            "HX-Current-URL": "http://testserver/logins/?state=all",
            "If-None-Match": '"approvals-0"',
        },
    )
    assert response.status_code == 200
    assert response["HX-Redirect"] == f"{LOGIN}?next=/logins/%3Fstate%3Dall"


def test_a_session_without_a_login_record_is_refused(alice: User) -> None:
    client = browser()
    LoginSession.objects.update(key_hash="0" * 64)
    assert not is_in(client)


def test_a_session_of_somebody_else_is_not_lent(alice: User, outsider: User) -> None:
    client = browser()
    LoginSession.objects.update(user=outsider)
    assert not is_in(client)


def test_an_idle_login_is_over_before_the_worker_says_so(alice: User, settings: Any) -> None:
    client = browser()
    age(client, seconds=settings.LOGIN_IDLE_TIMEOUT - 5)
    assert is_in(client)
    age(client, seconds=settings.LOGIN_IDLE_TIMEOUT + 1)
    assert not is_in(client)


def test_an_old_login_is_over_however_busy_it_is(alice: User, settings: Any) -> None:
    client = browser()
    begun = timezone.now() - dt.timedelta(seconds=settings.SESSION_COOKIE_AGE + 1)
    LoginSession.objects.update(created_at=begun)
    assert not is_in(client)


def test_the_worker_ends_those_that_are_idle_or_old_and_only_those(alice: User) -> None:
    now = timezone.now()
    idle = make_login(alice, last_access_at=now - dt.timedelta(seconds=django_settings.LOGIN_IDLE_TIMEOUT + 1))
    old = make_login(alice, created_at=now - dt.timedelta(seconds=django_settings.SESSION_COOKIE_AGE + 1))
    fresh = make_login(alice)
    assert service.end_expired() == 2
    assert service.end_expired() == 0
    for login in (idle, old, fresh):
        login.refresh_from_db()
    assert (idle.end_reason, old.end_reason, fresh.end_reason) == (EndReason.EXPIRED, EndReason.EXPIRED, "")


def test_a_login_is_ended_once_by_one_person(alice: User, admin: User) -> None:
    login = make_login(alice)
    assert service.end(login, EndReason.FORCED, actor=admin)
    again = LoginSession.objects.get(pk=login.pk)
    assert not service.end(again, EndReason.LOGOUT, actor=alice)
    again.refresh_from_db()
    assert (again.ended_by, again.end_reason) == (admin, EndReason.FORCED)
    assert LogEntry.objects.filter(target_id=login.pk, verb=Verb.LOGOUT_FORCED).count() == 1
    assert not LogEntry.objects.filter(target_id=login.pk, verb=Verb.LOGOUT).exists()


def test_a_disabled_account_is_out_everywhere(alice: User) -> None:
    client = browser()
    login = login_of(client)
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    assert not is_in(client)
    login.refresh_from_db()
    assert login.end_reason == EndReason.DISABLED


def test_an_account_disabled_behind_our_back_is_refused_too(alice: User) -> None:
    client = browser()
    User.objects.update(is_active=False)
    assert not is_in(client)


# --- passwords


@pytest.mark.parametrize("engine", ENGINES)
def test_changing_the_password_keeps_this_browser_and_ends_the_others(alice: User, settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = engine
    client, other, third = browser(), browser(), browser()
    key, login = client.session.session_key, login_of(client)
    ended = [login_of(other), login_of(third)]
    new = "quite another battery staple"
    response = client.post(
        PASSWORD_PAGE, {"old_password": PASSWORD, "new_password1": new, "new_password2": new}, follow=True
    )
    assert "Your password was changed. 2 other sessions were logged out." in response.content.decode()
    assert is_in(client)
    assert client.session.session_key != key
    assert login_of(client).pk == login.pk
    assert not is_in(other)
    assert not is_in(third)
    for row in ended:
        row.refresh_from_db()
        assert (row.end_reason, row.ended_by) == (EndReason.PASSWORD, alice)
    assert LogEntry.objects.filter(verb=Verb.PASSWORD_CHANGED, user=alice, actor=alice).count() == 1


def test_a_password_that_is_not_changed_ends_nothing(alice: User) -> None:
    client, other = browser(), browser()
    page = client.post(PASSWORD_PAGE, {"old_password": "no", "new_password1": "x", "new_password2": "y"})
    assert page.status_code == 200
    assert "Your password was not changed." in page.content.decode()
    assert is_in(other)
    assert not LogEntry.objects.filter(verb=Verb.PASSWORD_CHANGED).exists()


def test_a_password_set_from_a_shell_ends_every_browser(alice: User) -> None:
    client = browser()
    alice.set_password("set in a shell by somebody")
    alice.save()
    assert not is_in(client)
    assert LoginSession.objects.get().end_reason == EndReason.PASSWORD


def test_a_password_that_is_taken_away_ends_every_browser(alice: User) -> None:
    browser()
    alice.set_unusable_password()
    alice.save(update_fields=["password"])
    assert LoginSession.objects.get().end_reason == EndReason.PASSWORD


def test_an_old_hash_made_stronger_at_login_is_not_called_a_new_password(alice: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    User.objects.update(password=make_password(PASSWORD, hasher="md5"))
    first = LoginSession.objects.create(user=alice, user_name="alice", key_hash="1" * 64)
    client = browser()
    assert User.objects.get().password.startswith("pbkdf2")
    assert is_in(client)
    first.refresh_from_db()
    assert first.end_reason == EndReason.EXPIRED
    assert not LogEntry.objects.filter(verb=Verb.PASSWORD_CHANGED).exists()


def test_saving_anything_else_of_a_user_ends_nothing_and_asks_nothing_about_passwords(alice: User) -> None:
    client = browser()
    alice.first_name = "Alice"
    with CaptureQueriesContext(connection) as captured:
        alice.save(update_fields=["first_name"])
    assert len([query for query in captured if "SAVEPOINT" not in query["sql"]]) == 1
    assert is_in(client)


# --- what a browser may keep


def test_pages_behind_the_login_are_not_kept_by_any_cache(alice: User) -> None:
    client = browser()
    assert client.get("/accounts/me/")["Cache-Control"] == "no-store"


def test_the_session_key_is_kept_as_a_hash_only(alice: User) -> None:
    client = browser()
    key = client.session.session_key or ""
    stored = str(list(LoginSession.objects.values())) + str(list(LogEntry.objects.values()))
    assert len(key) >= 32
    assert key not in stored
