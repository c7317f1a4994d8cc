"""How a session's page leads to its terminal: who may, what the page may do, and how else to connect."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.gateway import heartbeats, identity, user_names, vendor, views
from sessions_app.gateway.flows.ticket import redeem
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayTicket, TicketKind
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support.builders import make_key, make_resource, make_session
from tests.support.pages import ClientResponse

AsUser = Callable[[User], Client]
CLOSED = sorted(set(Status) - {Status.AVAILABLE, Status.LOGGED_IN})


@pytest.fixture(autouse=True)
def vendored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that `python -m scripts.vendor` has fetched all files."""
    monkeypatch.setattr(views, "vendor_url", lambda name: f"/static/vendor/{name}")


def session_of(user: User, status: Status = Status.AVAILABLE, **values: Any) -> PrivilegedSession:
    host = make_resource(values.pop("host", "web-1"), connector="ssh", host_key="ssh-ed25519 AAAA")
    return make_session(user, status, resource=host, **values)


def page(client: Client, session: PrivilegedSession, *, path: str = "terminal/") -> str:
    answer = client.get(f"/sessions/{session.pk}/{path}")
    assert answer.status_code == 200
    return answer.content.decode()


def directives(answer: ClientResponse) -> dict[str, str]:
    parts = [one.strip().partition(" ") for one in answer["Content-Security-Policy"].split(";")]
    return {name: value for name, _, value in parts}


def test_the_page_of_an_open_session_leads_to_its_terminal(alice: User, as_user: AsUser) -> None:
    session = session_of(alice)
    assert f'href="/sessions/{session.pk}/terminal/"' in page(as_user(alice), session, path="")
    shown = page(as_user(alice), session)
    assert 'data-xterm="/static/vendor/xterm.mjs"' in shown
    assert f'action="/sessions/{session.pk}/ticket/"' in shown


def test_people_are_told_that_they_are_recorded_before_they_connect(alice: User, as_user: AsUser) -> None:
    session, client = session_of(alice), as_user(alice)

    def message() -> str:
        found = re.search(r'<p class="quiet" id="recorded">(.*?)</p>', page(client, session, path=""), re.DOTALL)
        return found[1].strip() if found else ""

    assert message() == "Terminals of this session are recorded."
    ConnectionProfile.objects.update(record_input=True)
    assert message() == "Terminals of this session are recorded, and what you type in them too, passwords included."
    ConnectionProfile.objects.update(record=False)
    assert message() == ""


@pytest.mark.parametrize("status", CLOSED)
def test_a_session_that_is_not_open_says_why_and_has_no_terminal(alice: User, as_user: AsUser, status: Status) -> None:
    session = session_of(alice, status)
    assert "/terminal/" not in page(as_user(alice), session, path="")
    shown = page(as_user(alice), session)
    assert "data-xterm" not in shown
    assert str(status.label).lower() in shown.lower()


def test_who_only_sees_the_session_gets_no_terminal(alice: User, admin: User, auditor: User, as_user: AsUser) -> None:
    session = session_of(alice)
    for other in (admin, auditor):
        client = as_user(other)
        assert "/terminal/" not in page(client, session, path="")
        assert client.get(f"/sessions/{session.pk}/terminal/").status_code == 403
        for asked in ("ticket", "password"):
            assert client.post(f"/sessions/{session.pk}/{asked}/").status_code == 403
    assert not GatewayTicket.objects.exists()


def test_only_the_terminals_page_may_reach_the_gateway_and_style_by_nonce(
    alice: User, as_user: AsUser, settings: Any
) -> None:
    settings.GATEWAY_TERMINAL_URL = "wss://terminals.example.com/terminal/"
    session, client = session_of(alice), as_user(alice)
    answer = client.get(f"/sessions/{session.pk}/terminal/")
    policy = directives(answer)
    assert policy["connect-src"] == "'self' wss://terminals.example.com"
    nonce = re.search(r'nonce="([^"]+)"', answer.content.decode())
    assert nonce
    assert policy["style-src"] == f"'self' 'nonce-{nonce[1]}'"
    assert policy["script-src"] == "'self'"
    again = re.search(r'nonce="([^"]+)"', page(client, session))
    assert again
    assert again[1] != nonce[1]
    other = directives(client.get(f"/sessions/{session.pk}/"))
    assert (other["connect-src"], other["style-src"]) == ("'self'", "'self'")


def test_without_an_address_of_its_own_the_terminal_is_on_the_console(alice: User, as_user: AsUser) -> None:
    session = session_of(alice)
    answer = as_user(alice).get(f"/sessions/{session.pk}/terminal/", secure=True)
    assert 'data-socket="wss://testserver/terminal/"' in answer.content.decode()
    assert directives(answer)["connect-src"] == "'self' wss://testserver"


def test_the_ticket_of_the_page_is_bound_to_the_login_and_the_address(alice: User, as_user: AsUser) -> None:
    session, client = session_of(alice), as_user(alice)
    answer = client.post(f"/sessions/{session.pk}/ticket/", REMOTE_ADDR="192.0.2.9")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    secret = answer.json()["ticket"]
    stored = GatewayTicket.objects.get()
    assert (stored.user, stored.session, stored.address) == (alice, session, "192.0.2.9")
    assert stored.login_session == LoginSession.objects.get(user=alice)
    assert redeem(secret, TicketKind.TERMINAL, address="192.0.2.9").pk == stored.pk


def test_a_refused_ticket_says_why(alice: User, as_user: AsUser) -> None:
    answer = as_user(alice).post(f"/sessions/{session_of(alice, Status.CANCELING).pk}/ticket/")
    assert answer.status_code == 422
    assert "is over" in answer.json()["problem"]


@pytest.mark.parametrize("path", ["ticket", "password"])
def test_a_foreign_page_cannot_ask_for_one(alice: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(f"/sessions/{session_of(alice).pk}/{path}/").status_code == 403
    assert not GatewayTicket.objects.exists()


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_one_time_password_is_shown_once_and_opens_the_session(
    alice: User, as_user: AsUser, headers: dict[str, str]
) -> None:
    session, client = session_of(alice), as_user(alice)
    answer = client.post(f"/sessions/{session.pk}/password/", headers=headers)
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert ("<html" in shown) == (not headers)
    found = re.search(r'value="([a-z0-9-]+)"', shown)
    assert found
    assert len(found[1].replace("-", "")) == 26
    assert redeem(found[1], TicketKind.PASSWORD, address="127.0.0.1").session == session
    assert found[1] not in page(client, session, path="connections/")
    assert LogEntry.objects.of_target(session).filter(verb=Verb.PASSWORD_GIVEN).count() == 1


def test_a_refused_password_says_why(alice: User, as_user: AsUser) -> None:
    answer = as_user(alice).post(f"/sessions/{session_of(alice, Status.COMPLETE).pk}/password/")
    assert answer.status_code == 422
    assert "No password was made." in answer.content.decode()


def test_the_lines_to_type_name_the_host_where_that_is_enough(alice: User, as_user: AsUser, settings: Any) -> None:
    settings.SITE_URL = "https://console.example.com"
    session = session_of(alice)
    client = as_user(alice)
    assert "ssh -p 4422 alice=web-1@console.example.com" in page(client, session, path="connections/")
    assert "scp -P 4422 file.txt alice=web-1@console.example.com:" in page(client, session, path="connections/")
    assert user_names.SEPARATOR == views.SEPARATOR
    second = session_of(alice)
    assert f"alice={second.pk}@" in page(client, second, path="connections/")


@pytest.mark.parametrize("name", ["web 1", "7", "$(reboot)", "-oProxyCommand=x", "wéb"])
def test_a_host_whose_name_a_shell_would_take_apart_goes_by_number(alice: User, as_user: AsUser, name: str) -> None:
    session = session_of(alice, host=name)
    assert f"alice={session.pk}@" in page(as_user(alice), session, path="connections/")


def test_the_address_that_people_type_can_be_set(alice: User, as_user: AsUser, settings: Any) -> None:
    session, client = session_of(alice), as_user(alice)
    settings.GATEWAY_SSH_ADDRESS = "ssh.example.com:22"
    assert "ssh alice=web-1@ssh.example.com" in page(client, session, path="connections/")
    settings.GATEWAY_SSH_ADDRESS = "ssh.example.com"
    assert "sftp -P 4422 alice=web-1@ssh.example.com" in page(client, session, path="connections/")


def test_the_page_shows_the_gateways_key_as_clients_know_it(alice: User, as_user: AsUser, settings: Any) -> None:
    session, client = session_of(alice), as_user(alice)
    assert "known_hosts" not in page(client, session, path="connections/")
    settings.GATEWAY_SSH_ADDRESS = "ssh.example.com:22"
    key = identity.host_key()
    shown = page(client, session, path="connections/")
    assert f"<code>{key.get_fingerprint('sha256')}</code>" in shown
    line = " ".join(key.export_public_key().decode().split()[:2])
    assert f"<code>ssh.example.com {line}</code>" in unescape(shown)
    settings.GATEWAY_SSH_ADDRESS = "ssh.example.com"
    assert f"<code>[ssh.example.com]:4422 {line}</code>" in unescape(page(client, session, path="connections/"))


def test_the_page_says_when_no_gateway_is_there(alice: User, as_user: AsUser) -> None:
    session, client = session_of(alice), as_user(alice)
    assert "No gateway is running" in page(client, session, path="")
    heartbeats.beat("gateway-of-the-test")
    assert "No gateway is running" not in page(client, session, path="")


@pytest.mark.parametrize("missing", ["", "xterm-addon-unicode.mjs"], ids=["all", "one"])
def test_without_the_files_of_npm_the_page_says_how_else(
    alice: User, as_user: AsUser, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(views, "vendor_url", lambda name: "" if name == (missing or name) else f"/{name}")
    shown = page(as_user(alice), session_of(alice))
    assert "scripts.vendor" in shown
    assert "ssh -p 4422 alice=web-1@" in shown
    assert "terminal.js" not in shown


def test_a_file_that_was_never_brought_here_has_no_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(finders, "find", lambda path: None)
    assert vendor.vendor_url("xterm.mjs") == ""
    monkeypatch.setattr(finders, "find", lambda path: str(tmp_path))
    assert vendor.vendor_url("xterm.mjs") == "/static/vendor/xterm.mjs"

    def missing(path: str) -> str:
        raise ValueError("Missing staticfiles manifest entry")

    monkeypatch.setattr(vendor, "static", missing)
    assert vendor.vendor_url("xterm.mjs") == ""


def test_connections_are_listed_live_ones_first(alice: User, auditor: User, as_user: AsUser) -> None:
    session, key = session_of(alice, Status.LOGGED_IN), make_key(alice, title="work laptop")
    values = {"session": session, "gateway": "g", "address": "192.0.2.4"}
    GatewayConnection.objects.create(
        **values, entry_point="ssh", ended_at=timezone.now(), end_reason=ConnectionEnd.TERMINATED, client="OpenSSH_9.2"
    )
    GatewayConnection.objects.create(**values, entry_point="ssh", key=key, fingerprint=key.fingerprint)
    shown = page(as_user(auditor), session, path="connections/")
    live, over = shown.index("work laptop"), shown.index("OpenSSH_9.2")
    assert live < over
    assert key.fingerprint in shown
    assert "Terminated" in shown[over:]
