"""A second factor that is required: who, how many logins without it, and what opens until it is set up."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.factors import required
from sessions_app.factors.models import FactorRule
from sessions_app.login_rules.models import ONLY_ROW, RequiredFor, SignInSettings
from sessions_app.logins.models import LoginSession
from tests.support import builders
from tests.support.factors import code_of, give_app, give_key

LOGIN, SIGN_IN = "/accounts/login/", "/accounts/2fa/"


def decide(who: RequiredFor, grace: int = 0) -> None:
    values = {"second_factor": who, "grace_logins": grace}
    SignInSettings.objects.update_or_create(pk=ONLY_ROW, defaults=values)


def log_in(user: User) -> Client:
    client = Client()
    client.post(LOGIN, {"username": user.username, "password": builders.PASSWORD})
    return client


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (RequiredFor.NOBODY, set()),
        (RequiredFor.STAFF, {"admin", "auditor"}),
        (RequiredFor.EVERYBODY, {"admin", "auditor", "alice"}),
    ],
)
def test_who_needs_one(alice: User, admin: User, auditor: User, who: RequiredFor, expected: set[str]) -> None:
    decide(who)
    assert {user.username for user in (alice, admin, auditor) if required.must_enrol_now(user)} == expected


def test_a_rule_for_one_person_comes_first(alice: User, admin: User) -> None:
    decide(RequiredFor.STAFF)
    FactorRule.objects.create(user=alice, is_required=True)
    FactorRule.objects.create(user=admin, is_required=False)
    assert required.must_enrol_now(alice)
    assert not required.must_enrol_now(admin)


def test_a_new_console_asks_its_administrators_after_three_logins(alice: User, admin: User) -> None:
    for text in ("without it 2 times more", "without it once more", "this is the last login without it"):
        page = log_in(admin).get("/sessions/", follow=True).content.decode()
        assert text in page
        assert f'<a href="{SIGN_IN}">Set it up</a>' in page
    closed = log_in(admin)
    assert closed.get("/sessions/").headers["Location"] == SIGN_IN
    assert LoginSession.objects.latest("pk").must_enrol
    for _ in range(5):
        assert log_in(alice).get("/sessions/").status_code == 200


def test_who_has_a_factor_is_not_asked(admin: User) -> None:
    decide(RequiredFor.EVERYBODY)
    give_app(admin)
    client = log_in(admin)
    client.post("/accounts/2fa/authenticate/", {"code": code_of()})
    assert client.get("/sessions/").status_code == 200
    assert not FactorRule.objects.exists()


def test_setting_one_up_opens_everything(alice: User) -> None:
    decide(RequiredFor.EVERYBODY)
    client = log_in(alice)
    page = client.get(SIGN_IN).content.decode()
    assert "Your account needs a second factor" in page
    assert "<nav" not in page
    assert "<nav" not in client.get("/accounts/confirm/").content.decode()
    assert 'action="/accounts/logout/"' in page
    found = re.search(r'id="secret-key">([A-Z2-7 ]+)<', client.get(f"{SIGN_IN}app/").content.decode())
    assert found is not None
    code = code_of(found[1].replace(" ", ""))
    assert client.post(f"{SIGN_IN}app/", {"code": code, "name": "Phone"}).content.decode().count("<code>") == 10
    assert client.get("/sessions/").status_code == 200
    assert not LoginSession.objects.get().must_enrol


def test_the_last_factor_is_not_removed_while_it_is_required(alice: User) -> None:
    decide(RequiredFor.EVERYBODY)
    key = give_key(alice)
    client = Client()
    client.force_login(alice)
    said = client.post(f"{SIGN_IN}{key.row.pk}/remove/", follow=True).content.decode()
    assert "A second factor is required for your account" in said
    other = give_key(alice, name="Other")
    client.post(f"{SIGN_IN}{key.row.pk}/remove/")
    assert Authenticator.objects.get() == other.row


def test_an_administrator_requires_it_of_one_person(
    boss: Client, alice: User, as_user: Callable[[User], Client]
) -> None:
    boss.post(f"/users/{alice.pk}/factors/", {"required": "yes"})
    assert FactorRule.objects.get(user=alice).is_required
    entry = LogEntry.objects.get(verb=Verb.RECORD_CHANGED, user=alice)
    assert "required" in entry.message
    page = boss.get(f"/users/{alice.pk}/factors/").content.decode()
    assert "must set one up" in page
    boss.post(f"/users/{alice.pk}/factors/", {"required": ""})
    assert FactorRule.objects.get(user=alice).is_required is None


def test_administrators_decide_on_the_page_of_sign_in(boss: Client) -> None:
    page = boss.get("/sign-in/").content.decode()
    assert 'name="second_factor"' in page
    assert 'name="grace_logins"' in page
