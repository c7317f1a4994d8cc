"""Every way in ends in the same place: it makes a login session, and after its end the next request is a stranger's."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from activity.models import LogEntry
from activity.verbs import Verb
from sessionadmin import console_client, ssh_client
from sessions_app.errors import Refused
from sessions_app.factors import recovery
from sessions_app.factors.webauthn import PASSKEY
from sessions_app.gateway.connection_state import connection_states
from sessions_app.gateway.flows.connect import AuthenticatedClient, connect
from sessions_app.gateway.flows.ticket import redeem
from sessions_app.gateway.identity import by_password
from sessions_app.gateway.models import EntryPoint, TicketKind
from sessions_app.gateway.terminal_login import open_terminal
from sessions_app.login_rules.models import ONLY_ROW, LoginRule, SignInSettings, WhenTooMany
from sessions_app.logins import backend, service, sign_in
from sessions_app.logins.models import EndReason, LoginSession, Method, SecondFactor
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.sso.models import Identity
from tests.support import oidc_peer, saml_peer, source
from tests.support.builders import PASSWORD, make_login, make_resource, make_session
from tests.support.factors import code_of, give_app, give_key
from tests.support.pages import elements

LOGIN, SECOND_STEP = "/accounts/login/", reverse("mfa_authenticate")
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Way:
    """A way in: what a browser does, and what its login session then says."""

    go: Callable[..., None]
    signed_in_with: Method
    second_factor: str = ""
    peer: str = ""  # the fixture of the provider that it leads through

    @property
    def host(self) -> str:
        """Return the name of the console: keys need this one, and the providers of the tests lead back to theirs."""
        return "testserver" if self.peer else "localhost"


def by_the_login_page(client: Client, user: User) -> None:
    client.post(LOGIN, {"username": user.username, "password": PASSWORD})


def by_the_administration(client: Client, user: User) -> None:
    to_login = client.get("/admin/login/", {"next": "/admin/"})
    answer = client.post(to_login["Location"], {"username": user.username, "password": PASSWORD})
    assert answer["Location"] == "/admin/"


def by_a_code(client: Client, user: User) -> None:
    give_app(user)
    by_the_login_page(client, user)
    assert is_stranger(client)
    client.post(SECOND_STEP, {"code": code_of()})


def by_a_recovery_code(client: Client, user: User) -> None:
    give_app(user)
    by_the_login_page(client, user)
    client.post(SECOND_STEP, {"code": recovery.make(user)[0]})


def by_a_security_key(client: Client, user: User) -> None:
    key = give_key(user)
    by_the_login_page(client, user)
    assert is_stranger(client)
    client.post(SECOND_STEP, {"credential": key.answer(client.get(reverse("mfa_options")).json())})


def by_a_passkey_alone(client: Client, user: User) -> None:
    question = client.get(reverse("passkey_options")).json()
    client.post(reverse("passkey_login"), {"credential": give_key(user, PASSKEY).answer(question)})


def by_openid_connect(client: Client, user: User, peer: oidc_peer.Peer) -> None:
    Identity.objects.create(user=user, provider="peer", issuer=peer.issuer, subject="s-1")
    oidc_peer.sign_in(client, peer)


def by_saml(client: Client, user: User, peer: saml_peer.SamlPeer) -> None:
    Identity.objects.create(user=user, provider="saml", issuer=peer.issuer, subject="s-1")
    saml_peer.sign_in(client, peer)


WAYS = {
    "password": Way(by_the_login_page, Method.PASSWORD),
    "administration": Way(by_the_administration, Method.PASSWORD),
    "authenticator app": Way(by_a_code, Method.PASSWORD, SecondFactor.TOTP),
    "recovery code": Way(by_a_recovery_code, Method.PASSWORD, SecondFactor.RECOVERY_CODE),
    "security key": Way(by_a_security_key, Method.PASSWORD, SecondFactor.SECURITY_KEY),
    "passkey": Way(by_a_passkey_alone, Method.PASSKEY, SecondFactor.PASSKEY),
    "OpenID Connect": Way(by_openid_connect, Method.PROVIDER, peer="provider"),
    "SAML": Way(by_saml, Method.PROVIDER, peer="saml_provider"),
}


def is_stranger(client: Client) -> bool:
    """Return whether the console sends this browser to the login page, whatever it asks for."""
    answers = [client.get("/sessions/"), client.get("/admin/"), client.post("/sessions/ssh/")]
    return all(answer.status_code == 302 and "/login/" in answer["Location"] for answer in answers)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = WAYS[request.param]
    if not found.peer:
        return found
    peer = request.getfixturevalue(found.peer)
    return replace(found, go=lambda client, user: found.go(client, user, peer))


def browser(way: Way) -> Client:
    return Client(headers={"Host": way.host})


def test_every_way_in_makes_a_login_session_that_is_loaded_with_the_user(way: Way, admin: User) -> None:
    client = browser(way)
    way.go(client, admin)
    login = LoginSession.objects.get(user=admin)
    assert (login.signed_in_with, login.second_factor) == (way.signed_in_with, way.second_factor)
    assert login.confirmed_at is not None
    assert client.session[BACKEND_SESSION_KEY] == sign_in.BACKEND
    answer = client.get("/sessions/")
    assert answer.status_code == 200
    assert answer.wsgi_request.user == admin


@pytest.mark.parametrize("by_number", [True, False])
def test_a_login_rule_bites_whichever_way_somebody_comes(way: Way, admin: User, by_number: bool) -> None:
    if by_number:
        SignInSettings.objects.create(pk=ONLY_ROW, max_logins=1, when_too_many=WhenTooMany.REFUSE_NEW)
        make_login(admin)
    else:
        LoginRule.objects.create(user=admin, networks="192.0.2.0/24")
    client, before = browser(way), LoginSession.objects.count()
    with contextlib.suppress(KeyError, ValueError):  # some ways expect to be let in
        way.go(client, admin)
    assert is_stranger(client)
    assert LoginSession.objects.count() == before
    said = "You may have 1 login at a time" if by_number else "The login rule of your account does not allow 127.0.0.1."
    assert said in LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).latest("pk").message


@pytest.mark.parametrize("reason", [EndReason.LOGOUT, EndReason.FORCED])
def test_after_a_logout_the_very_next_request_is_a_strangers(way: Way, admin: User, reason: EndReason) -> None:
    client, thief = browser(way), browser(way)
    way.go(client, admin)
    thief.cookies["sessionid"] = client.cookies["sessionid"].value
    assert not is_stranger(thief)
    if reason is EndReason.LOGOUT:
        client.post("/accounts/logout/")
    else:
        service.end(LoginSession.objects.get(user=admin), reason, actor=admin)
    assert LoginSession.objects.get(user=admin).end_reason == reason
    assert is_stranger(thief)
    assert is_stranger(client)


def test_whoever_is_loaded_past_the_login_session_is_nobody(admin: User) -> None:
    """Django takes the backend from the session: one that does not look at login sessions must not be accepted."""
    client = Client()
    by_the_login_page(client, admin)
    for other in ("django.contrib.auth.backends.ModelBackend", "allauth.account.auth_backends.AuthenticationBackend"):
        session = client.session
        session[BACKEND_SESSION_KEY] = other
        session.save()
        assert is_stranger(client)


@pytest.mark.django_db(transaction=True)
def test_sessionadmin_ssh_makes_a_login_session_which_is_over_when_it_has_its_certificate(
    admin: User, live_server: Any
) -> None:
    with console_client.logged_in(live_server.url, "admin", PASSWORD) as client:
        login = LoginSession.objects.get()
        assert (login.signed_in_with, login.is_live) == (Method.PASSWORD, True)
        assert client.post(ssh_client.CERTIFICATE, {}).status_code == 422
        service.end(login, EndReason.FORCED, actor=admin)
        assert client.post(ssh_client.CERTIFICATE, {}).status_code == 302
    with console_client.logged_in(live_server.url, "admin", PASSWORD) as client:
        pass
    assert LoginSession.objects.latest("pk").end_reason == EndReason.LOGOUT


@pytest.fixture
def session(admin: User) -> PrivilegedSession:
    host = make_resource("web-1", connector="ssh", host_key="ssh-ed25519 AAAA")
    return make_session(admin, resource=host)


def terminal_of(client: Client, session: PrivilegedSession) -> AuthenticatedClient:
    """Return who comes to the gateway with the ticket of a terminal's page."""
    return open_terminal(client.post(f"/sessions/{session.pk}/ticket/").json()["ticket"], HERE)


def password_of(client: Client, session: PrivilegedSession) -> str:
    page = elements(client.post(f"/sessions/{session.pk}/password/"))
    return str(page.findall(".//input[@id='one-time-password']")[0].get("value"))


def ssh_of(client: Client, session: PrivilegedSession) -> AuthenticatedClient:
    """Return who comes to the gateway with a one-time password."""
    found = by_password("admin", "web-1", password_of(client, session), HERE)
    return AuthenticatedClient(
        found.user_id, session.pk, EntryPoint.SSH, HERE, "", login_session_id=found.login_session_id
    )


@pytest.mark.parametrize("come", [terminal_of, ssh_of])
def test_what_the_gateway_lets_in_depends_on_the_login_session(
    way: Way, admin: User, session: PrivilegedSession, come: Callable[[Client, PrivilegedSession], AuthenticatedClient]
) -> None:
    client = browser(way)
    way.go(client, admin)
    login = LoginSession.objects.get(user=admin)
    came = come(client, session)
    connection = connect(came, "gate-1")
    assert connection.login_session == login
    late = password_of(client, session)
    service.end(login, EndReason.LOGOUT, actor=admin)
    [state] = connection_states("gate-1")
    assert state.login_end == EndReason.LOGOUT  # by which the gateway closes the open connection
    with pytest.raises(Refused, match="You are logged out of the console"):
        connect(came, "gate-1")
    with pytest.raises(Refused, match="you have logged out of the console since"):
        redeem(late, TicketKind.PASSWORD, address=HERE)


def calls_of_login() -> Iterator[str]:
    """Yield where our code takes Django's own login() or its alternative of allauth, by any name."""
    for path in source.modules():
        for node in ast.walk(source.tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module in ("django.contrib.auth", "allauth.core.auth"):
                yield from (source.name(path) for name in node.names if name.name in ("login", "alogin"))
            if isinstance(node, ast.Attribute) and node.attr in ("login", "alogin"):
                owner = ast.unparse(node.value)
                if owner in ("auth", "contrib.auth", "django.contrib.auth", "django_auth", "django_login"):
                    yield source.name(path)


def test_nothing_logs_anybody_in_but_the_one_last_step() -> None:
    assert list(calls_of_login()) == []


def test_there_is_one_backend_and_it_looks_at_the_login_session(settings: Any) -> None:
    assert settings.AUTHENTICATION_BACKENDS == [sign_in.BACKEND]
    assert f"{backend.LoginSessionBackend.__module__}.{backend.LoginSessionBackend.__name__}" == sign_in.BACKEND
