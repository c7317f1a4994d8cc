"""The second step of a login: who gets in with what, and what happens between the two steps."""

from __future__ import annotations

import datetime as dt
import html
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.factors import recovery
from sessions_app.factors.models import RecoveryCode
from sessions_app.logins.models import LoginSession, Method, SecondFactor
from sessions_app.privileged.flows.account import lock_account
from tests.support import builders
from tests.support.factors import code_of, give_app
from tests.support.pages import ClientResponse

LOGIN, STEP = "/accounts/login/", "/accounts/2fa/authenticate/"


def give_password(client: Client, user: User, **more: str) -> ClientResponse:
    return client.post(LOGIN, {"username": user.username, "password": builders.PASSWORD, **more})


def give_code(client: Client, code: str) -> ClientResponse:
    return client.post(STEP, {"code": code})


def test_a_password_alone_logs_nobody_in_who_has_an_app(client: Client, alice: User) -> None:
    give_app(alice)
    assert give_password(client, alice).headers["Location"] == STEP
    assert not LoginSession.objects.exists()
    assert client.get("/sessions/").status_code == 302
    assert "alice" in client.get(STEP).content.decode()


def test_the_code_finishes_the_login_at_the_page_that_was_wanted(client: Client, alice: User) -> None:
    give_app(alice)
    give_password(client, alice, next="/logins/")
    between = client.session.session_key
    assert give_code(client, code_of()).headers["Location"] == "/logins/"
    login = LoginSession.objects.get()
    assert (login.signed_in_with, login.second_factor) == (Method.PASSWORD, SecondFactor.TOTP)
    assert client.session.session_key != between
    assert client.get("/logins/").status_code == 200


def test_the_session_key_is_new_after_each_step(client: Client, alice: User) -> None:
    give_app(alice)
    give_password(client, alice)
    planted = client.session.session_key
    give_password(client, alice)
    assert client.session.session_key != planted


def test_a_wrong_code_is_logged_and_nobody_is_in(client: Client, alice: User) -> None:
    give_app(alice)
    give_password(client, alice)
    wrong = f"{(int(code_of()) + 1) % 10**6:06}"
    assert "This code is wrong" in html.unescape(give_code(client, wrong).content.decode())
    entry = LogEntry.objects.get(verb=Verb.FACTOR_FAILED)
    assert (entry.user, entry.actor) == (alice, None)
    assert wrong not in f"{entry.message} {entry.details}"
    assert not LoginSession.objects.exists()


def test_codes_are_counted_apart_from_passwords(client: Client, alice: User, settings: Any) -> None:
    """Who knows the password cannot set the count of wrong codes back by entering it again."""
    settings.LOGIN_FAILURES_PER_ACCOUNT = 3
    give_app(alice)
    for _ in range(3):
        give_password(client, alice)
        assert give_code(client, "ABCDE-FGHJK").status_code == 200
    give_password(client, alice)
    refused = give_code(client, code_of())
    assert (refused.status_code, refused.headers["Retry-After"].isdigit()) == (429, True)
    assert "The code was not checked" in refused.content.decode()
    assert LogEntry.objects.filter(verb=Verb.LOGIN_THROTTLED).count() == 1
    assert not LoginSession.objects.exists()


def test_a_recovery_code_gets_in_once(alice: User) -> None:
    give_app(alice)
    codes = recovery.make(alice)
    client = Client()
    give_password(client, alice)
    page = client.post(STEP, {"code": codes[0].lower()}, follow=True).content.decode()
    assert "9 are left" in page
    assert LoginSession.objects.get().second_factor == SecondFactor.RECOVERY_CODE
    again = Client()
    give_password(again, alice)
    assert "This code is wrong" in give_code(again, codes[0]).content.decode()
    assert codes[0] not in str(list(RecoveryCode.objects.values()))
    assert codes[0].replace("-", "") not in str(list(RecoveryCode.objects.values()))


def lock(user: User) -> None:
    lock_account(builders.make_admin(), user, title="Stop")


def disable(user: User) -> None:
    user.is_active = False
    user.save()


def change_password(user: User) -> None:
    user.set_password("another-password-1")
    user.save()


def reset_factors(user: User) -> None:
    Authenticator.objects.filter(user=user).delete()


def set_up_another(user: User) -> None:
    reset_factors(user)
    give_app(user)


@pytest.mark.parametrize("change", [lock, disable, change_password, reset_factors, set_up_another])
def test_a_login_that_was_begun_is_void_after(client: Client, alice: User, change: Callable[[User], None]) -> None:
    give_app(alice)
    give_password(client, alice)
    change(alice)
    answer = client.post(STEP, {"code": code_of()}, follow=True)
    assert "Your login was not finished" in answer.content.decode()
    assert not LoginSession.objects.exists()
    assert client.get(STEP).headers["Location"] == LOGIN


def test_a_login_that_was_begun_is_void_after_a_quarter_of_an_hour(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_app(alice)
    give_password(client, alice)
    later = time.time() + dt.timedelta(minutes=16).total_seconds()
    monkeypatch.setattr("allauth.account.internal.stagekit.time.time", lambda: later)
    assert client.get(STEP).headers["Location"] == LOGIN


def test_the_second_step_of_another_person_ends_the_first_login(client: Client, alice: User, outsider: User) -> None:
    give_app(alice)
    client.force_login(outsider)
    give_password(client, alice)
    give_code(client, code_of())
    live = LoginSession.objects.live().get()
    assert live.user == alice
    assert live.created_at <= timezone.now()


def test_a_factor_of_an_earlier_login_does_not_count_for_the_next(client: Client, alice: User) -> None:
    give_app(alice)
    give_password(client, alice)
    give_code(client, code_of())
    assert give_password(client, alice).headers["Location"] == STEP
    reset_factors(alice)
    give_password(client, alice)
    assert LoginSession.objects.live().get().second_factor == ""


def test_who_has_begun_to_log_in_can_begin_anew(client: Client, alice: User) -> None:
    give_app(alice)
    give_password(client, alice)
    assert client.post("/accounts/2fa/cancel/").headers["Location"] == LOGIN
    assert client.get(STEP).headers["Location"] == LOGIN
