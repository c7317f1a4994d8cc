"""Confirming at a provider, for people who have neither a password nor a second factor here."""

from __future__ import annotations

import datetime as dt
import html
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.hosts.models import UserKey
from sessions_app.logins.models import LoginSession
from sessions_app.sso import flow
from sessions_app.sso.models import Identity
from sessions_app.sso.oidc import Tokens
from sessions_app.sso.providers import OidcProvider, providers
from tests.support.factors import give_app
from tests.support.oidc_peer import Peer, PersonAtProvider, come_back
from tests.support.pages import elements

ADD = "/accounts/keys/add/"
PUBLIC_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()


def text(response: Any) -> str:
    return " ".join(html.unescape(response.content.decode()).split())


def fields(response: Any, action: str) -> dict[str, str]:
    """Return the fields of the form on the page that is sent to `action`."""
    form = elements(response).find(f".//form[@action='{action}']")
    assert form is not None
    return {one.attrib["name"]: one.attrib.get("value", "") for one in form.iter("input") if "name" in one.attrib}


@pytest.fixture
def person(client: Client, alice: User, provider: Peer) -> PersonAtProvider:
    """Log alice in by the provider, who has no password here and gave her factor an hour ago."""
    alice.set_unusable_password()
    alice.save()
    Identity.objects.create(user=alice, provider="peer", issuer=provider.issuer, subject="s-1")
    there = PersonAtProvider(provider)
    come_back(client, there.answer(client.get("/accounts/sso/peer/login/")["Location"], sub="s-1"))
    LoginSession.objects.update(confirmed_at=timezone.now() - dt.timedelta(hours=1))
    return there


def confirm(
    client: Client, person: PersonAtProvider, sent: dict[str, str], subject: str = "s-1", amr: str = "pwd"
) -> Any:
    """Press the button of the question, give the factor at the provider, and return the answer to the callback."""
    going = client.post("/accounts/sso/peer/confirm/", sent)
    link = elements(going).find(".//main//a")
    assert link is not None
    assert "prompt=login&max_age=0" in link.attrib["href"]
    return come_back(client, person.answer(link.attrib["href"], sub=subject, amr=amr))


def test_what_was_typed_goes_on_after_the_provider_has_asked(client: Client, alice: User, person: Any) -> None:
    asked = client.post(ADD, {"title": "Laptop", "key": PUBLIC_KEY})
    assert asked.status_code == 403
    assert "Confirm with Peer" in text(asked)
    back = confirm(client, person, fields(asked, "/accounts/sso/peer/confirm/"))
    assert "Go on to register an SSH key" in text(back)
    assert not UserKey.objects.exists()
    done = client.post(ADD, fields(back, ADD))
    assert done.status_code == 302, text(done)
    assert UserKey.objects.get().title == "Laptop"
    entry = LogEntry.objects.get(verb=Verb.FACTOR_CONFIRMED)
    assert entry.message == "Confirmed with Peer, to register an SSH key"


def test_a_person_confirms_before_anything_asks(client: Client, person: Any) -> None:
    page = client.get("/accounts/confirm/?next=/settings/")
    assert confirm(client, person, fields(page, "/accounts/sso/peer/confirm/"))["Location"] == "/settings/"
    assert "Confirmed until" in text(client.get("/settings/"))


def test_somebody_else_there_confirms_nothing(client: Client, outsider: User, person: Any, provider: Peer) -> None:
    Identity.objects.create(user=outsider, provider="peer", issuer=provider.issuer, subject="s-2")
    response = confirm(client, PersonAtProvider(provider), {"next": "/"}, "s-2")
    assert response.status_code == 403
    assert "That is not your account" in text(response)
    assert not LogEntry.objects.filter(verb=Verb.FACTOR_CONFIRMED).exists()
    assert client.post(ADD, {"title": "Laptop", "key": PUBLIC_KEY}).status_code == 403


def test_a_form_of_another_login_is_not_taken(client: Client, person: Any) -> None:
    assert client.post("/accounts/sso/peer/confirm/", {"parked": "x"}).status_code == 400


def test_who_has_a_second_factor_gives_that_one(client: Client, alice: User, person: Any) -> None:
    give_app(alice)
    asked = client.post(ADD, {"title": "Laptop", "key": PUBLIC_KEY})
    assert asked.status_code == 403
    assert "Confirm with Peer" not in text(asked)


def test_the_provider_does_not_stand_in_for_a_second_factor_here(client: Client, alice: User, person: Any) -> None:
    give_app(alice)
    response = confirm(client, person, {"next": "/"})
    assert response.status_code == 403
    assert "Your second factor is needed" in text(response)
    assert not LogEntry.objects.filter(verb=Verb.FACTOR_CONFIRMED).exists()
    assert client.post(ADD, {"title": "Laptop", "key": PUBLIC_KEY}).status_code == 403


def test_a_provider_that_asked_for_two_factors_stands_in_for_it(
    client: Client, alice: User, person: Any, provider: Peer, settings: Any
) -> None:
    settings.SSO_PROVIDERS = provider.settings(second_factor_amr=["mfa"])
    give_app(alice)
    assert confirm(client, person, {"next": "/"}, amr="mfa")["Location"] == "/"


def test_who_has_to_set_up_a_factor_first_can_confirm_at_the_provider(client: Client, person: Any) -> None:
    LoginSession.objects.update(must_enrol=True)
    asked = client.get("/accounts/2fa/app/")
    assert asked.status_code == 403
    confirm(client, person, fields(asked, "/accounts/sso/peer/confirm/"))
    assert client.get("/accounts/2fa/app/").status_code == 200


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"auth_time": 1_000}, 1_000),
        ({}, None),
        ({"auth_time": "x"}, None),
        ({"auth_time": 10**30, "acr": ["x"]}, None),
        ({"auth_time": float("nan")}, None),
    ],
)
def test_a_login_is_as_fresh_as_the_provider_says(settings: Any, claims: dict[str, Any], expected: int | None) -> None:
    settings.SSO_PROVIDERS = {"p": {"issuer": "https://i.example.com", "client_id": "x", "client_secret_env": "X"}}
    known = providers()["p"]
    assert isinstance(known, OidcProvider)
    at = flow.arrival_of(known, Tokens({"sub": "s", **claims}, ""))
    assert at.authenticated_at == expected


def test_a_login_without_that_time_is_not_fresh(client: Client, alice: User) -> None:
    session = client.session
    fields = {"method": "socialaccount", "provider": "Peer"}
    session["account_authentication_methods"] = [fields]
    session["account_authentication_methods_user"] = str(alice.pk)
    session.save()
    client.force_login(alice)
    assert LoginSession.objects.get().confirmed_at is None
