"""Logout from both sides: the provider ends the login here, and a logout here offers the one at the provider."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from urllib3.response import HTTPResponse

from activity.models import LogEntry
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.sso import metadata
from sessions_app.sso.errors import ProviderUnavailable
from sessions_app.sso.models import Identity, LogoutToken, ProviderLogin
from sessions_app.sso.providers import OidcProvider, providers
from tests.sso.test_tokens import CLIENT, ISSUER, KEYS, OTHER_KEY, id_claims, logout_claims, signed
from tests.support.oidc_peer import CLIENT_ID, Peer, PersonAtProvider, come_back, sign_in
from tests.support.pages import elements, text

BACK_CHANNEL = "/accounts/sso/peer/back-channel-logout/"


def linked(user: User, issuer: str, subject: str = "s-1") -> Identity:
    return Identity.objects.create(user=user, provider="peer", issuer=issuer, subject=subject)


@pytest.fixture
def on_paper(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a provider without a process, whose keys the tests have."""
    entry = {"issuer": ISSUER, "client_id": CLIENT, "client_secret_file": "/nowhere"}
    settings.SSO_PROVIDERS = {"peer": entry}
    document = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    document |= {"authorization_endpoint": f"{ISSUER}/a", "token_endpoint": f"{ISSUER}/t"}

    def answer(provider: OidcProvider, url: str, **more: Any) -> dict[str, Any]:
        return KEYS if url.endswith("/keys") else document

    monkeypatch.setattr(metadata, "get", answer)


def logged_in(user: User, subject: str, session_id: str) -> ProviderLogin:
    """Return a login session as a provider's login leaves it."""
    client = Client()
    client.force_login(user)
    login = LoginSession.objects.latest("pk")
    identity = Identity.objects.filter(issuer=ISSUER, subject=subject).first() or linked(user, ISSUER, subject)
    return ProviderLogin.objects.create(
        login=login, identity=identity, provider="peer", issuer=ISSUER, subject=subject, session_id=session_id
    )


def send(claims: dict[str, Any], **more: Any) -> Any:
    token = signed(claims, **{"typ": "logout+jwt", **more})
    return Client(enforce_csrf_checks=True).post(BACK_CHANNEL, {"logout_token": token})


def live() -> list[str]:
    """Return the provider's names of the sessions that are still logged in."""
    found = ProviderLogin.objects.filter(login__ended_at=None).order_by("session_id")
    return list(found.values_list("session_id", flat=True))


@pytest.mark.parametrize(
    ("claims", "left"),
    [
        ({"sub": None, "sid": "x"}, ["y", "z"]),
        ({"sub": "s-1", "sid": None}, ["z"]),
        ({"sub": "s-1", "sid": "x"}, ["y", "z"]),
        ({"sub": "s-2", "sid": "x"}, ["x", "y", "z"]),
        ({"sub": "nobody", "sid": None}, ["x", "y", "z"]),
    ],
)
def test_a_logout_token_ends_the_logins_that_it_names(
    on_paper: None, alice: User, outsider: User, claims: dict[str, Any], left: list[str]
) -> None:
    logged_in(alice, "s-1", "x")
    logged_in(alice, "s-1", "y")
    logged_in(outsider, "s-2", "z")
    response = send(logout_claims(**claims))
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert live() == left
    ended = LoginSession.objects.exclude(ended_at=None)
    assert {login.end_reason for login in ended} <= {EndReason.PROVIDER}


def test_only_the_browser_that_the_provider_logged_out_reads_it(on_paper: None, client: Client, alice: User) -> None:
    client.force_login(alice)
    login = LoginSession.objects.get()
    login.provider = "Keycloak"
    login.save()
    ProviderLogin.objects.create(
        login=login, identity=linked(alice, ISSUER), provider="peer", issuer=ISSUER, subject="s-1", session_id="x"
    )

    def told(browser: Client) -> str:
        note = elements(browser.get("/accounts/login/")).find(".//*[@id='farewell']")
        return "" if note is None else text(note)

    assert told(client) == ""
    assert send(logout_claims()).status_code == 200
    assert told(client).startswith("Keycloak ended your login at ")
    assert told(Client()) == ""
    client.force_login(alice)
    client.post("/accounts/logout/")
    assert told(client) == ""  # its next login, which ended otherwise


def test_a_logout_token_counts_once(on_paper: None, alice: User) -> None:
    logged_in(alice, "s-1", "x")
    claims = logout_claims(jti="once")
    assert send(claims).status_code == 200
    logged_in(alice, "s-1", "x")
    again = send(claims)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")
    assert "used before" in again.json()["error_description"]
    assert live() == ["x"]
    assert send(logout_claims(jti="twice")).status_code == 200
    assert live() == []


def test_forged_logout_tokens_end_nothing(on_paper: None, alice: User) -> None:
    logged_in(alice, "s-1", "x")
    good = logout_claims()
    forged = [
        signed(good, OTHER_KEY, typ="logout+jwt"),
        signed(good),
        signed(id_claims(sid="x")),
        signed(logout_claims(iss="https://evil.example.com"), typ="logout+jwt"),
        "",
        "x",
    ]
    for token in forged:
        assert Client().post(BACK_CHANNEL, {"logout_token": token}).status_code == 400
    assert Client().post("/accounts/sso/other/back-channel-logout/", {"logout_token": "x"}).status_code == 404
    assert Client().get(BACK_CHANNEL).status_code == 405
    assert live() == ["x"]
    assert not LogoutToken.objects.exists()


def test_unknown_keys_are_looked_for_at_most_every_twenty_seconds(
    on_paper: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answer = metadata.get

    def counted(provider: OidcProvider, url: str) -> dict[str, Any]:
        asked.append(url)
        return answer(provider, url)

    monkeypatch.setattr(metadata, "get", counted)
    for number in range(5):
        assert send(logout_claims(), kid=f"unknown-{number}").status_code == 400
    assert len([url for url in asked if url.endswith("/keys")]) == 2


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_get_one_token_use_it_once(on_paper: None, alice: User) -> None:
    logged_in(alice, "s-1", "x")
    codes, claims, gate = [], logout_claims(), threading.Barrier(2)

    def one() -> None:
        gate.wait()
        codes.append(send(claims).status_code)
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200, 400]
    assert live() == []


def test_a_logout_that_comes_before_its_login_counts(client: Client, alice: User, provider: Peer) -> None:
    linked(alice, provider.issuer)
    person = PersonAtProvider(provider)
    back = person.answer(client.get("/accounts/sso/peer/login/")["Location"], sub="s-1")
    LogoutToken.objects.create(digest="1", issuer=provider.issuer, subject="s-1")
    come_back(client, back)
    assert LoginSession.objects.get().end_reason == EndReason.PROVIDER
    assert client.get("/logins/").status_code == 302


def test_a_logout_here_offers_the_logout_at_the_provider(client: Client, alice: User, provider: Peer) -> None:
    provider.configure(client={"post_logout_redirect_uris": ["http://testserver/accounts/login/"]})
    linked(alice, provider.issuer)
    person = PersonAtProvider(provider)
    come_back(client, person.answer(client.get("/accounts/sso/peer/login/")["Location"], sub="s-1"))
    response = client.post("/accounts/logout/")
    assert response.status_code == 200
    assert LoginSession.objects.get().end_reason == EndReason.LOGOUT
    assert client.get("/logins/").status_code == 302
    form = elements(response).find(".//main//form")
    assert form is not None
    assert form.attrib["action"] == f"{provider.issuer}/session/end"
    assert f"form-action 'self' {provider.issuer};" in f"{response['Content-Security-Policy']};"
    assert "no-store" in response["Cache-Control"]
    fields = {one.attrib["name"]: one.attrib["value"] for one in form.iter("input")}
    assert set(fields) == {"client_id", "post_logout_redirect_uri", "id_token_hint"}
    assert person.log_out(form.attrib["action"], fields).startswith("http://testserver/accounts/login/")


def test_the_login_is_over_before_the_provider_is_asked(
    on_paper: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    client.force_login(alice)
    identity = linked(alice, ISSUER)
    login = LoginSession.objects.get()
    ProviderLogin.objects.create(login=login, identity=identity, provider="peer", issuer=ISSUER, subject="s-1")
    asked = []

    def slow(provider: OidcProvider) -> dict[str, Any]:
        asked.append(LoginSession.objects.get().end_reason)
        raise ProviderUnavailable(provider.name, "it takes too long")

    monkeypatch.setattr(metadata, "discover", slow)
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert asked == [EndReason.LOGOUT]


@pytest.mark.parametrize("most", [{"MOST_SECONDS": 0.0}, {"MOST_BYTES": 10}, {}])
def test_an_answer_that_trickles_in_or_never_ends_is_not_waited_for(
    on_paper: None, monkeypatch: pytest.MonkeyPatch, most: dict[str, float]
) -> None:
    for name, value in most.items():
        monkeypatch.setattr(metadata, name, value)
    body = b'{"a": "0123456789"}'
    raw = HTTPResponse(io.BytesIO(body), status=200, preload_content=False)
    response = requests.Response()
    response.raw, response.url = raw, f"{ISSUER}/keys"
    (provider,) = providers().values()
    if not most:
        assert metadata.read_whole(provider, response) == body
        return
    with pytest.raises(ProviderUnavailable):
        metadata.read_whole(provider, response)


def test_a_logout_here_waits_for_no_provider(client: Client, alice: User, provider: Peer, settings: Any) -> None:
    linked(alice, provider.issuer)
    sign_in(client, provider)
    cache.clear()
    settings.SSO_PROVIDERS = {"peer": {**provider.settings()["peer"], "issuer": "http://127.0.0.1:9"}}
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    sign_in_again = Client()
    settings.SSO_PROVIDERS = provider.settings(logout=False)
    sign_in(sign_in_again, provider)
    assert sign_in_again.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert not LoginSession.objects.filter(ended_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_logout_at_the_provider_ends_the_login_here(
    client: Client, alice: User, provider: Peer, live_server: Any
) -> None:
    provider.configure(client={"backchannel_logout_uri": f"{live_server.url}{BACK_CHANNEL}"})
    linked(alice, provider.issuer)
    person = PersonAtProvider(provider)
    come_back(client, person.answer(client.get("/accounts/sso/peer/login/")["Location"], sub="s-1"))
    assert client.get("/logins/").status_code == 200
    person.log_out(f"{provider.issuer}/session/end", {"client_id": CLIENT_ID})
    assert client.get("/logins/").status_code == 302
    login = LoginSession.objects.get()
    assert login.end_reason == EndReason.PROVIDER
    assert "Logged out by the provider" in LogEntry.objects.latest("pk").message
