"""Setting up an authenticator app, and the ten recovery codes that come with the first factor."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.factors import check
from sessions_app.factors.check import factors_of
from tests.support.factors import code_of, give_app

APP = "/accounts/2fa/app/"
AsUser = Callable[[User], Client]


def shown_secret(client: Client) -> str:
    found = re.search(r'id="secret-key">([A-Z2-7 ]+)<', client.get(APP).content.decode())
    assert found is not None
    return found[1].replace(" ", "")


def test_the_app_is_set_up_by_its_first_code(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    secret = shown_secret(client)
    assert shown_secret(client) == secret  # a page that is loaded anew shows the code that was scanned
    page = client.post(APP, {"code": code_of(secret), "name": "My phone"}).content.decode()
    codes = re.findall(r"<code>([2-9A-Z]{5}-[2-9A-Z]{5})</code>", page)
    assert len(set(codes)) == 10
    factors = factors_of(alice)
    assert (factors.has_app, factors.recovery_codes) == (True, 10)
    assert codes[0] not in client.get("/accounts/2fa/").content.decode()
    entries = LogEntry.objects.filter(verb__in=(Verb.FACTOR_ADDED, Verb.RECOVERY_CODES_MADE))
    assert entries.count() == 2
    assert "earlier ones no longer work" in entries.get(verb=Verb.RECOVERY_CODES_MADE).message
    assert secret not in str(list(LogEntry.objects.values()))


def test_the_code_of_the_set_up_is_used_up(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    secret = shown_secret(client)
    code = code_of(secret)
    client.post(APP, {"code": code, "name": "My phone"})
    assert check.verify_code(alice, code, address="") is None


def test_a_wrong_code_sets_nothing_up_and_keeps_the_name(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    secret = shown_secret(client)
    answer = client.post(APP, {"code": "12", "name": "My phone"})
    assert answer.status_code == 422
    assert 'value="My phone"' in answer.content.decode()
    assert shown_secret(client) == secret
    assert not factors_of(alice).any


def test_a_second_app_is_not_set_up(alice: User, as_user: AsUser) -> None:
    give_app(alice)
    assert as_user(alice).get(APP).headers["Location"] == "/accounts/2fa/"


def test_the_secret_is_sealed_while_it_is_being_set_up(alice: User, as_user: AsUser) -> None:
    secret = shown_secret(as_user(alice))
    assert secret not in str([one.get_decoded() for one in Session.objects.all()])


def test_without_an_encryption_key_the_page_says_so(alice: User, as_user: AsUser, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    answer = as_user(alice).get(APP)
    assert answer.status_code == 503
    assert "ENCRYPTION_KEYS" in answer.content.decode()
