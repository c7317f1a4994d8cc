"""Logging in with a browser in which somebody else was logged in: what the new login has to remember about itself."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.login_rules.models import ONLY_ROW, RequiredFor, SignInSettings
from sessions_app.logins.models import LoginSession, Method, SecondFactor
from tests.support import builders
from tests.support.factors import code_of, give_app

LOGIN = "/accounts/login/"


@pytest.fixture(params=["live", "ended"])
def browser(request: pytest.FixtureRequest, outsider: User) -> Client:
    """Return a browser with a login of somebody else, which goes on or was ended by the console."""
    client = Client()
    client.force_login(outsider)
    if request.param == "ended":
        LoginSession.objects.all().delete()
    return client


def test_who_has_to_set_up_a_factor_still_has_to(browser: Client, admin: User) -> None:
    values = {"second_factor": RequiredFor.STAFF, "grace_logins": 0}
    SignInSettings.objects.update_or_create(pk=ONLY_ROW, defaults=values)
    browser.post(LOGIN, {"username": "admin", "password": builders.PASSWORD})
    assert LoginSession.objects.latest("pk").must_enrol
    assert browser.get("/sessions/").headers["Location"] == "/accounts/2fa/"


def test_how_the_person_signed_in_is_kept(browser: Client, alice: User) -> None:
    give_app(alice)
    browser.post(LOGIN, {"username": "alice", "password": builders.PASSWORD})
    browser.post("/accounts/2fa/authenticate/", {"code": code_of()})
    login = LoginSession.objects.latest("pk")
    assert (login.user, login.signed_in_with, login.second_factor) == (alice, Method.PASSWORD, SecondFactor.TOTP)


def test_a_trip_to_a_provider_that_was_broken_off_shortens_no_login(client: Client, alice: User) -> None:
    session = client.session
    session.set_expiry(900)
    session.save()
    client.post(LOGIN, {"username": "alice", "password": builders.PASSWORD})
    assert client.get("/sessions/").status_code == 200
    assert client.session.get_expiry_age() > 900
