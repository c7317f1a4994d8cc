"""An SSH client with a registered key has a login session, which Logout cuts and which ends with the client."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.gateway import store
from sessions_app.gateway.connection_state import connection_states
from sessions_app.gateway.control_loop import ControlLoop
from sessions_app.gateway.flows.connect import AuthenticatedClient, connect
from sessions_app.gateway.flows.disconnect import Ending, disconnected
from sessions_app.gateway.flows.lost_connections import lose_connections
from sessions_app.gateway.models import ConnectionEnd, EntryPoint, GatewayConnection
from sessions_app.login_rules.models import SignInSettings
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession, Method, SecondFactor
from sessions_app.logins.ssh_client import described
from sessions_app.privileged.models import PrivilegedSession
from tests.support.builders import make_key, make_login, make_resource, make_session
from tests.support.control_scene import run
from tests.support.gateway_scene import front, prepared
from tests.support.waiting import seconds, until

GATE = "gate-1"
HERE = "192.0.2.7"


@pytest.fixture
def session(alice: User) -> PrivilegedSession:
    host = make_resource("web-1", connector="ssh", host_key="ssh-ed25519 AAAA")
    return make_session(alice, resource=host)


@pytest.fixture
def client(session: PrivilegedSession) -> AuthenticatedClient:
    key = make_key(session.user)
    version = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3"
    return AuthenticatedClient(
        session.user_id, session.pk, EntryPoint.SSH, HERE, version, key_id=key.pk, client_token="one client"
    )


def close(*connections: GatewayConnection) -> None:
    disconnected([Ending(one.pk, ConnectionEnd.CLOSED) for one in connections])


def test_all_connections_of_a_client_are_one_login_which_ends_with_the_last(
    client: AuthenticatedClient, alice: User
) -> None:
    first, second = connect(client, GATE), connect(client, GATE)
    login = LoginSession.objects.get()
    assert {first.login_session_id, second.login_session_id} == {login.pk}
    assert (login.user, login.ip, login.signed_in_with) == (alice, HERE, Method.SSH_KEY)
    assert (login.device, login.browser, login.browser_version) == ("SSH client", "OpenSSH", "9.2p1")
    assert login.second_factor == ""
    began = LogEntry.objects.get(verb=Verb.LOGIN)
    assert (began.actor, began.target_id, began.login_id) == (alice, login.pk, login.pk)
    assert began.message == "alice logged in with an SSH key and OpenSSH from Unknown"
    close(first)
    assert LoginSession.objects.live().get() == login
    close(second)
    login.refresh_from_db()
    assert login.end_reason == EndReason.CLOSED
    assert LogEntry.objects.get(verb=Verb.LOGOUT).login_id == login.pk


def test_the_factor_that_the_client_gave_is_noted(client: AuthenticatedClient) -> None:
    given = AuthenticatedClient(
        client.user_id, client.session_id, EntryPoint.SSH, HERE, "", key_id=client.key_id, factor=SecondFactor.TOTP
    )
    login = connect(given, GATE).login_session
    assert login is not None
    assert (login.second_factor, login.confirmed_at is not None, login.browser) == (SecondFactor.TOTP, True, "")


@pytest.mark.parametrize("reason", [EndReason.LOGOUT, EndReason.FORCED])
def test_after_a_logout_the_connection_is_cut_and_the_client_gets_no_other(
    client: AuthenticatedClient, admin: User, reason: EndReason
) -> None:
    connection = connect(client, GATE)
    service.end(LoginSession.objects.get(), reason, actor=admin)
    [state] = connection_states(GATE)
    assert state.login_end == reason  # by which the gateway closes it
    with pytest.raises(Refused, match="You were logged out"):
        connect(client, GATE)
    close(connection)
    with pytest.raises(Refused, match="You were logged out"):
        connect(client, GATE)
    assert LoginSession.objects.get().end_reason == reason


def test_a_client_that_kept_no_connection_begins_another_login(client: AuthenticatedClient) -> None:
    close(connect(client, GATE))
    assert connect(client, GATE).login_session == LoginSession.objects.live().get()
    assert LoginSession.objects.count() == 2


def test_each_client_has_a_login_of_its_own(client: AuthenticatedClient) -> None:
    other = AuthenticatedClient(client.user_id, client.session_id, EntryPoint.SSH, HERE, "", key_id=client.key_id)
    mine = connect(client, GATE)
    assert mine.login_session != connect(other, GATE).login_session
    assert "one client" not in repr(client)


def test_it_ends_with_its_gateway(client: AuthenticatedClient) -> None:
    connect(client, GATE)
    lose_connections(GATE, None)
    assert LoginSession.objects.get().end_reason == EndReason.CLOSED


def test_a_password_changed_ends_it_and_neither_idleness_nor_the_number_of_logins_do(
    client: AuthenticatedClient, alice: User
) -> None:
    connect(client, GATE)
    long_ago = timezone.now() - dt.timedelta(days=300)
    LoginSession.objects.update(created_at=long_ago, last_access_at=long_ago)
    SignInSettings.objects.update_or_create(pk=1, defaults={"max_logins": 1})
    browser = Client()
    browser.force_login(alice)
    assert browser.get("/sessions/").status_code == 200
    service.end_expired()
    assert LoginSession.objects.live().count() == 2
    service.end_all(alice, EndReason.PASSWORD, actor=alice)
    [state] = connection_states(GATE)
    assert state.login_end == EndReason.PASSWORD


def test_a_client_with_a_ticket_depends_on_the_browser(client: AuthenticatedClient, alice: User) -> None:
    login = make_login(alice)
    with_key = AuthenticatedClient(
        alice.pk, client.session_id, EntryPoint.SSH, HERE, "", key_id=client.key_id, login_session_id=login.pk
    )
    connection = connect(with_key, GATE)
    assert connection.login_session == login
    close(connection)
    login.refresh_from_db()
    assert login.is_live


@pytest.mark.parametrize(
    ("said", "name", "version"),
    [
        ("SSH-2.0-PuTTY_Release_0.81", "PuTTY", "0.81"),
        ("SSH-2.0-AsyncSSH_2.24.0", "AsyncSSH", "2.24.0"),
        ("SSH-2.0-Go", "Go", ""),
        ("SSH-2.0-" + "x" * 2000, "x" * 60, ""),
        ("\x1b[31mSSH-2.0-Evil_1", "", ""),
        ("", "", ""),
    ],
)
def test_the_program_is_described_by_what_it_says(said: str, name: str, version: str) -> None:
    found = described(said)
    assert (found["browser"], found["browser_version"]) == (name, version)
    assert len(found["user_agent"]) <= 512


@pytest.mark.django_db(transaction=True)
def test_logout_on_the_page_cuts_a_real_ssh_client(alice: User, admin: User) -> None:
    given = prepared(alice)
    browser = Client()
    browser.force_login(admin)

    def log_out() -> None:
        login = LoginSession.objects.live().get(signed_in_with=Method.SSH_KEY)
        page = browser.get(f"/logins/{login.pk}/").content.decode()
        assert "with the last connection of the SSH client" in page
        assert browser.post("/logins/logout/", {"ids": login.pk, "reason": ""}).status_code == 302
        assert not LoginSession.objects.live().filter(pk=login.pk).exists()

    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as ssh:
            process: Any = await ssh.create_process(encoding=None, term_type="xterm")
            process.stdin.write(b"x")
            assert await process.stdout.readexactly(3) == b"<x>"
            await store.call(log_out)
            await ControlLoop(there.registry, asyncio.Event()).look()
            await asyncio.wait_for(process.wait_closed(), seconds(10))
            refused = await ssh.run("true")
            assert "You were logged out" in str(refused.stderr)
            await until(lambda: not there.registry.relays, "the relay is gone")

    run(scenario())
    login = LoginSession.objects.get(signed_in_with=Method.SSH_KEY)
    assert login.end_reason == EndReason.FORCED
