"""Logging in through the login page: who gets in, what the others are told, and what the log keeps."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.logins import backend
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.privileged.flows.account import lock_account
from tests.support.builders import PASSWORD, make_application

LOGIN = "/accounts/login/"
WRONG = "The user name or the password is wrong."
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def log_in(client: Client, name: str = "alice", password: str = PASSWORD, **more: str) -> str:
    """Log in. Return the page with the refusal; empty if the login succeeded."""
    response = client.post(LOGIN, {"username": name, "password": password, **more})
    return "" if response.status_code == 302 else html.unescape(response.content.decode())


def test_a_login_records_the_browser_and_the_address(client: Client, alice: User) -> None:
    response = client.post(
        LOGIN,
        {"username": "alice", "password": PASSWORD},
        headers={"User-Agent": FIREFOX},
        REMOTE_ADDR="203.0.113.9",
    )
    assert response.status_code == 302
    login = LoginSession.objects.get()
    assert (login.user, login.ip, login.os, login.browser, login.device) == (
        alice,
        "203.0.113.9",
        "Linux",
        "Firefox",
        "Desktop",
    )
    entry = LogEntry.objects.get(verb=Verb.LOGIN)
    assert (entry.actor, entry.ip, entry.target_id) == (alice, "203.0.113.9", login.pk)


def test_client_hints_win_over_the_frozen_user_agent(client: Client, alice: User) -> None:
    client.post(
        LOGIN,
        {"username": "alice", "password": PASSWORD},
        headers={
            "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Safari/537.36",
            "Sec-CH-UA-Platform": '"Windows"',
            "Sec-CH-UA-Platform-Version": '"15.0.0"',
        },
    )
    login = LoginSession.objects.get()
    assert (login.os, login.os_version) == ("Windows", "11")


def test_the_login_page_asks_for_client_hints_and_is_not_kept(client: Client, db: None) -> None:
    response = client.get(LOGIN)
    assert "Sec-CH-UA-Platform-Version" in response["Accept-CH"]
    assert "no-store" in response["Cache-Control"]


def test_a_login_gets_a_new_session_key(client: Client, alice: User) -> None:
    log_in(client)
    first = client.session.session_key
    log_in(client)
    assert client.session.session_key != first
    planted = Client()
    planted.cookies["sessionid"] = "a" * 32
    log_in(planted)
    assert planted.session.session_key not in ("a" * 32, None)


@pytest.mark.parametrize("name", ["alice", "outsider"])
def test_another_login_in_the_same_browser_replaces_the_first(
    client: Client, alice: User, outsider: User, name: str
) -> None:
    log_in(client)
    log_in(client, name)
    first, second = LoginSession.objects.order_by("pk")
    assert (first.end_reason, first.is_live) == (EndReason.REPLACED, False)
    assert (second.user_name, second.is_live) == (name, True)


def test_a_wrong_password_is_refused_and_logged_without_it(client: Client, alice: User) -> None:
    assert WRONG in log_in(client, password="hunter2-hunter2")
    entry = LogEntry.objects.get(verb=Verb.LOGIN_FAILED)
    assert (entry.user, entry.user_name, entry.actor, entry.level) == (alice, "alice", None, Level.WARNING)
    assert "hunter2" not in f"{entry.message} {entry.details} {entry.user_name}"
    assert not LoginSession.objects.exists()


def test_a_password_typed_as_the_name_is_not_logged(client: Client, alice: User) -> None:
    log_in(client, name=PASSWORD, password="x")
    entry = LogEntry.objects.get(verb=Verb.LOGIN_FAILED)
    assert entry.message == "A login as an unknown account failed"
    assert entry.user_name == ""
    assert PASSWORD not in str(LogEntry.objects.values())


def test_who_cannot_log_in_gets_the_same_answer_as_who_does_not_exist(client: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    make_application("backup-job")

    def said(name: str, password: str) -> str:
        page = log_in(Client(), name, password)
        return page.split("<form")[-1].replace(name, "NAME").partition("csrfmiddlewaretoken")[2][90:]

    nobody = said("nobody", PASSWORD)
    assert WRONG in nobody
    assert said("alice", PASSWORD) == nobody
    assert said("alice", "wrong") == nobody
    assert said("backup-job", "") != nobody  # the browser's own complaint: the field is empty
    assert said("backup-job", "anything") == nobody


def test_an_application_with_a_password_set_past_the_administration_does_not_get_in(client: Client, db: None) -> None:
    principal = make_application("backup-job").principal
    principal.set_password(PASSWORD)
    principal.save()
    assert WRONG in log_in(client, "backup-job")
    client.force_login(principal)  # whatever way another backend might let it in
    assert client.get("/").status_code == 302
    assert not LoginSession.objects.exists()
    assert not LogEntry.objects.filter(verb=Verb.LOGIN).exists()


def test_a_locked_account_is_told_why_only_with_the_right_password(client: Client, alice: User, admin: User) -> None:
    lock_account(admin, alice, title="Key lost", message="Come to room 12.")
    assert "This account is locked: Key lost. Come to room 12." in log_in(client)
    assert not LoginSession.objects.exists()
    wrong = log_in(client, password="wrong")
    assert WRONG in wrong
    assert "Key lost" not in wrong
    messages = LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).order_by("pk").values_list("message", flat=True)
    assert list(messages) == [
        "A login as alice was refused: the password is right, the account is locked",
        "A login as alice failed",
    ]


@pytest.mark.parametrize(
    "what", ["locked", "disabled", "password"], ids=["locked", "disabled", "given another password"]
)
def test_an_account_closed_while_the_password_is_checked_does_not_get_in(
    client: Client, alice: User, admin: User, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    checked = backend.LoginSessionBackend.authenticate

    def slowly(self: backend.LoginSessionBackend, *args: Any, **kwargs: Any) -> object:
        user = checked(self, *args, **kwargs)
        other = User.objects.get(pk=alice.pk)
        if what == "locked":
            lock_account(admin, other, title="Now")
        elif what == "disabled":
            other.is_active = False
            other.save()
        else:
            other.set_password("another long password")
            other.save()
        return user

    monkeypatch.setattr(backend.LoginSessionBackend, "authenticate", slowly)
    response = client.post(LOGIN, {"username": "alice", "password": PASSWORD})
    assert response.status_code == 403
    assert "you are not logged in" in response.content.decode()
    assert not LoginSession.objects.live().exists()
    assert client.get("/alive/").status_code == 302


@pytest.mark.parametrize(
    ("next_url", "where"),
    [
        ("/logins/?state=ended", "/logins/?state=ended"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_the_login_comes_a_page_of_ours(client: Client, alice: User, next_url: str, where: str) -> None:
    response = client.post(f"{LOGIN}?next={quote(next_url)}", {"username": "alice", "password": PASSWORD})
    assert response["Location"] == where


def test_a_stranger_comes_back_to_the_page_they_wanted(client: Client, alice: User) -> None:
    response = client.get("/logins/?state=ended")
    assert response["Location"] == f"{LOGIN}?next=/logins/%3Fstate%3Dended"


def test_a_stranger_who_sends_a_form_does_not_come_back_to_a_page_that_takes_forms_only(
    client: Client, db: None
) -> None:
    assert client.post("/accounts/logout/")["Location"] == LOGIN


@pytest.mark.parametrize("name", ["a\x00b", "x" * 151, "", "   "])
def test_a_name_that_no_account_can_have_is_refused_and_not_logged(client: Client, db: None, name: str) -> None:
    assert client.post(LOGIN, {"username": name, "password": "x"}).status_code == 200
    assert not LogEntry.objects.filter(verb__startswith="login.").exists()


def test_a_login_needs_its_token(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(LOGIN, {"username": "alice", "password": PASSWORD}).status_code == 403
