"""Security keys and passkeys: as second step, as the only step, and which answers are refused."""

from __future__ import annotations

import copy
import hashlib
import html
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client
from fido2 import cbor
from fido2.utils import websafe_encode

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.factors.check import factors_of
from sessions_app.factors.webauthn import PASSKEY, SECURITY_KEY, STRANGER_SECONDS
from sessions_app.logins.models import LoginSession, Method, SecondFactor
from sessions_app.logins.throttle import MOST_REFUSALS
from sessions_app.privileged.flows.account import lock_account
from tests.support import builders
from tests.support.factors import SoftKey, code_of, give_app, give_key
from tests.support.pages import ClientResponse
from tests.support.races import at_once

AsUser = Callable[[User], Client]
LOGIN, STEP, ALONE = "/accounts/login/", "/accounts/2fa/authenticate/", "/accounts/2fa/passkey/"
FOUND = 302
# What a key answers that has made no credential: the hash of the host's name, flags, and a count.
WITHOUT_KEY = cbor.encode(
    {"fmt": "none", "attStmt": {}, "authData": hashlib.sha256(b"localhost").digest() + b"\x05\0\0\0\0"}
)


@pytest.fixture
def browser() -> Client:
    """Return a browser that opens the console by its name, as keys need it."""
    return Client(headers={"Host": "localhost"})


def alone(browser: Client, key: SoftKey, **more: Any) -> ClientResponse:
    """Log in with a passkey alone."""
    answer = key.answer(browser.get(f"{ALONE}options/").json(), **more)
    return browser.post(ALONE, {"credential": answer, "next": "/logins/"}, follow=True)


def give_password(browser: Client, user: User) -> None:
    answer = browser.post(LOGIN, {"username": user.username, "password": builders.PASSWORD})
    assert answer.headers["Location"] == STEP


def test_a_passkey_alone_logs_in(browser: Client, alice: User) -> None:
    page = alone(browser, give_key(alice, PASSKEY))
    assert page.request["PATH_INFO"] == "/logins/"
    login = LoginSession.objects.get()
    assert (login.user, login.signed_in_with, login.second_factor) == (alice, Method.PASSKEY, SecondFactor.PASSKEY)
    row = Authenticator.objects.get()
    assert row.last_used_at is not None


def test_a_passkey_is_asked_for_without_a_name(browser: Client, alice: User) -> None:
    question = browser.get(f"{ALONE}options/").json()["options"]
    assert question["userVerification"] == "required"
    assert not question.get("allowCredentials")
    assert "alice" not in json.dumps(question)


@pytest.mark.parametrize(
    ("kind", "how"),
    [(PASSKEY, {"verified": False}), (SECURITY_KEY, {}), (SECURITY_KEY, {"verified": False})],
)
def test_only_a_passkey_that_checked_its_owner_is_enough(
    browser: Client, alice: User, kind: str, how: dict[str, bool]
) -> None:
    page = alone(browser, give_key(alice, kind), **how)
    assert "This passkey is not known here" in page.content.decode()
    assert page.request["QUERY_STRING"] == "next=%2Flogins%2F"
    assert not LoginSession.objects.exists()
    assert LogEntry.objects.filter(verb=Verb.FACTOR_FAILED, user=alice).exists()


@pytest.mark.parametrize("closed", ["locked", "disabled"])
def test_a_closed_account_is_told_so(browser: Client, alice: User, admin: User, closed: str) -> None:
    key = give_key(alice, PASSKEY)
    if closed == "locked":
        lock_account(admin, alice, title="Under review")
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)
    assert f"This account is {closed}" in alone(browser, key).content.decode()
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("kind", [PASSKEY, SECURITY_KEY])
def test_a_key_is_the_second_step(browser: Client, alice: User, kind: str) -> None:
    key = give_key(alice, kind)
    give_password(browser, alice)
    answer = key.answer(browser.get(f"{STEP}key/").json(), verified=False)
    assert browser.post(STEP, {"credential": answer}).status_code == FOUND
    login = LoginSession.objects.get()
    assert (login.signed_in_with, login.second_factor) == (Method.PASSWORD, SecondFactor.SECURITY_KEY)


def refused(browser: Client, answer: str) -> bool:
    page = html.unescape(browser.post(STEP, {"credential": answer}).content.decode())
    assert not LoginSession.objects.exists()
    return "No security key of yours has answered" in page


def test_an_answer_is_good_for_one_question_of_one_browser(browser: Client, alice: User) -> None:
    key = give_key(alice)
    give_password(browser, alice)
    answer = key.answer(browser.get(f"{STEP}key/").json())
    other = Client(headers={"Host": "localhost"})
    give_password(other, alice)
    other.get(f"{STEP}key/")
    assert refused(other, answer)
    browser.get(f"{STEP}key/")
    assert refused(browser, answer)


def test_a_question_is_good_for_minutes(browser: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    key = give_key(alice)
    give_password(browser, alice)
    answer = key.answer(browser.get(f"{STEP}key/").json())
    later = time.time() + 6 * 60
    monkeypatch.setattr("sessions_app.factors.webauthn.time.time", lambda: later)
    assert refused(browser, answer)


@pytest.mark.parametrize("origin", ["http://evil.localhost", "http://localhost:9999", "https://localhost.example.com"])
def test_an_answer_from_another_site_is_refused(browser: Client, alice: User, origin: str) -> None:
    key = give_key(alice)
    key.origin = origin
    give_password(browser, alice)
    assert refused(browser, key.answer(browser.get(f"{STEP}key/").json()))


def test_somebody_elses_key_is_refused(browser: Client, alice: User, outsider: User) -> None:
    give_key(alice)
    theirs = give_key(outsider)
    give_password(browser, alice)
    assert refused(browser, theirs.answer(browser.get(f"{STEP}key/").json()))


def test_a_key_that_was_copied_is_refused(browser: Client, alice: User) -> None:
    key = give_key(alice, PASSKEY)
    key.uses = 5
    alone(browser, key)
    browser.post("/accounts/logout/")
    assert "This passkey is not known here" in alone(browser, key).content.decode()
    key.uses = 0  # one that has counted does not stop counting
    assert "This passkey is not known here" in alone(browser, key).content.decode()
    key.uses = 6
    assert alone(browser, key).request["PATH_INFO"] == "/logins/"


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_with_one_answer_one_passes() -> None:
    alice, browser = builders.make_user(), Client(headers={"Host": "localhost"})
    key = give_key(alice)  # it does not count its uses
    give_password(browser, alice)
    answer = key.answer(browser.get(f"{STEP}key/").json())
    twin = Client(headers={"Host": "localhost"})
    twin.cookies = copy.deepcopy(browser.cookies)
    sent = [partial(one.post, STEP, {"credential": answer}) for one in (browser, twin)]
    at_once(sent)
    assert LoginSession.objects.count() == 1


NESTED = "[" * 9_000
NESTED_INSIDE = json.dumps({"response": {"clientDataJSON": websafe_encode(NESTED.encode()), "userHandle": "eA"}})


@pytest.mark.parametrize(
    "sent",
    ["", "x", "[]", "{}", '{"response": {"userHandle": "eA"}}', '{"a": "\\u0000"}', NESTED, NESTED_INSIDE],
    ids=lambda sent: sent[:40],
)
def test_what_no_browser_sends_is_refused(browser: Client, alice: User, sent: str) -> None:
    give_key(alice)
    browser.get(f"{ALONE}options/")
    assert browser.post(ALONE, {"credential": sent}).headers["Location"] == LOGIN
    give_password(browser, alice)
    browser.get(f"{STEP}key/")
    assert refused(browser, sent)


@pytest.mark.parametrize(
    "made", [b"\x81" * 9_000, b"\x80", b"\xff", WITHOUT_KEY], ids=["nested", "list", "end", "no key"]
)
def test_what_no_browser_makes_is_not_set_up(browser: Client, alice: User, made: bytes) -> None:
    browser.force_login(alice)
    question = browser.get("/accounts/2fa/keys/security-key/options/").json()["options"]
    said = {"type": "webauthn.create", "challenge": question["challenge"], "origin": "http://localhost"}
    response = {"clientDataJSON": websafe_encode(json.dumps(said).encode()), "attestationObject": websafe_encode(made)}
    sent = json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": response})
    answer = browser.post("/accounts/2fa/keys/security-key/", {"name": "Key", "credential": sent})
    assert answer.status_code == 422
    assert not Authenticator.objects.exists()


def test_a_stranger_does_not_flood_the_log(browser: Client, alice: User) -> None:
    sent = json.dumps({"response": {"userHandle": websafe_encode(str(alice.pk).encode())}})
    for _ in range(MOST_REFUSALS + 5):
        browser.post(ALONE, {"credential": sent})
    assert LogEntry.objects.filter(verb=Verb.FACTOR_FAILED).count() == MOST_REFUSALS


def test_the_session_of_a_stranger_is_kept_for_minutes_only(browser: Client, alice: User) -> None:
    browser.get(f"{ALONE}options/")
    assert browser.session.get_expiry_age() == STRANGER_SECONDS
    alone(browser, give_key(alice, PASSKEY))
    assert browser.session.get_expiry_age() > STRANGER_SECONDS


def test_no_question_is_asked_before_the_password(browser: Client, alice: User) -> None:
    assert browser.get(f"{STEP}key/").status_code == 403


def test_a_key_is_set_up_renamed_and_removed(browser: Client, alice: User) -> None:
    browser.force_login(alice)
    key, page = SoftKey(), "/accounts/2fa/keys/passkey/"
    question = browser.get(f"{page}options/").json()
    assert question["options"]["authenticatorSelection"]["residentKey"] == "required"
    answer = json.dumps(key.registration(question["options"]["challenge"], alice))
    codes = browser.post(page, {"credential": answer, "name": "Phone"}).content.decode()
    assert codes.count("<code>") == 10
    row = Authenticator.objects.get()
    browser.post(f"/accounts/2fa/{row.pk}/", {"name": "Old phone"})
    listed = browser.get("/accounts/2fa/").content.decode()
    assert "Old phone" in listed
    assert "not used yet" in listed
    browser.post(f"/accounts/2fa/{row.pk}/remove/")
    assert (factors_of(alice).any, alice.recovery_codes.count()) == (False, 0)
    verbs = (Verb.FACTOR_ADDED, Verb.FACTOR_CHANGED, Verb.FACTOR_REMOVED)
    assert LogEntry.objects.filter(verb__in=verbs, actor=alice).count() == 3


def test_the_page_offers_to_end_the_other_logins(browser: Client, alice: User) -> None:
    """OWASP ASVS 5, 7.4.3: after a change of the factors."""
    browser.force_login(alice)
    assert "other browser" not in browser.get("/accounts/2fa/").content.decode()
    Client().force_login(alice)
    page = browser.get("/accounts/2fa/").content.decode()
    assert "You are logged in with 1 other browser." in page
    assert 'href="/logins/logout-others/"' in page


def test_a_passkey_that_did_not_check_its_owner_is_not_set_up(browser: Client, alice: User) -> None:
    browser.force_login(alice)
    page = "/accounts/2fa/keys/passkey/"
    question = browser.get(f"{page}options/").json()
    answer = SoftKey().registration(question["options"]["challenge"], alice, verified=False)
    refusal = browser.post(page, {"credential": json.dumps(answer), "name": "Phone"})
    assert refusal.status_code == 422
    assert 'value="Phone"' in refusal.content.decode()
    assert not Authenticator.objects.exists()


def test_another_factor_brings_no_other_recovery_codes(alice: User, as_user: AsUser, browser: Client) -> None:
    give_app(alice)
    browser.force_login(alice)
    first = browser.post("/accounts/2fa/codes/").content.decode()
    assert first.count("<code>") == 10
    question = browser.get("/accounts/2fa/keys/security-key/options/").json()
    answer = json.dumps(SoftKey().registration(question["options"]["challenge"], alice))
    added = browser.post("/accounts/2fa/keys/security-key/", {"credential": answer, "name": "Blue key"})
    assert added.headers["Location"] == "/accounts/2fa/"
    assert factors_of(alice).recovery_codes == 10
    assert code_of() not in first


def test_by_an_ip_address_the_pages_say_why_no_key_works(client: Client, alice: User) -> None:
    give_key(alice)
    client = Client(headers={"Host": "127.0.0.1"})
    assert "Log in with a passkey" not in client.get(LOGIN).content.decode()
    give_password(client, alice)
    assert "by its name, not by its IP address" in client.get(STEP).content.decode()
