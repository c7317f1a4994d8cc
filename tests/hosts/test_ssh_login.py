"""What `sessionadmin ssh` gets from the console: a certificate for a key of the moment, for one's own session only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.errors import Forbidden
from sessions_app.hosts.flows.certificate import give_certificate_for
from sessions_app.hosts.models import UserKey
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support.builders import make_key, make_resource, make_session
from tests.support.pages import ClientResponse

AsUser = Callable[[User], Client]


@pytest.fixture(autouse=True)
def authority(db: None) -> None:
    ca.create()


def new_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def session_of(user: User, status: Status = Status.AVAILABLE, **values: Any) -> PrivilegedSession:
    host = make_resource("web-1", connector="ssh", port=2222, host_key="ssh-ed25519 AAAA")
    return make_session(user, status, **({"resource": host} | values))


def ask(client: Client, wanted: object, key: str = "") -> ClientResponse:
    return client.post("/sessions/ssh/", {"session": str(wanted), "key": key or new_key()})


def problem(answer: ClientResponse) -> str:
    assert answer.status_code == 422
    assert set(answer.json()) == {"problem"}
    return str(answer.json()["problem"])


def signed() -> int:
    return LogEntry.objects.filter(verb=Verb.CERTIFICATE_SIGNED).count()


def test_a_key_of_the_moment_is_signed_and_not_stored(alice: User, as_user: AsUser) -> None:
    session, key = session_of(alice), new_key()
    answer = ask(as_user(alice), session.pk, key)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    message = answer.json()
    certificate: Any = asyncssh.import_certificate(message.pop("certificate"))
    assert certificate.principals == [f"session-{session.pk}"]
    assert certificate.key.export_public_key().decode().strip() == key
    assert message.pop("valid_until") > "2"
    assert message == {
        "session": session.pk,
        "account": session.login_account,
        "address": "web-1.example.com",
        "port": 2222,
        "host_key": "ssh-ed25519 AAAA",
    }
    assert not UserKey.objects.exists()
    entry = LogEntry.objects.of_target(session).get(verb=Verb.CERTIFICATE_SIGNED)
    assert entry.actor == alice
    assert entry.details["key"] == certificate.key.get_fingerprint("sha256")


def test_a_session_is_found_by_the_name_of_its_host(alice: User, as_user: AsUser) -> None:
    session_of(alice, Status.COMPLETE)
    session = session_of(alice)
    assert ask(as_user(alice), "WEB-1").json()["session"] == session.pk


def test_two_sessions_on_a_host_are_told_apart_by_number(alice: User, as_user: AsUser) -> None:
    first, second = session_of(alice), session_of(alice, Status.LOGGED_IN)
    client = as_user(alice)
    said = problem(ask(client, "web-1"))
    assert f"{first.pk} as" in said
    assert f"{second.pk} as" in said
    assert signed() == 0
    assert ask(client, second.pk).json()["session"] == second.pk


@pytest.mark.parametrize("wanted", ["web-2", "", "0", "9" * 30, "web-1'; --", "²"])
def test_what_is_not_there_is_not_found(alice: User, as_user: AsUser, wanted: str) -> None:
    session_of(alice)
    assert "You have no session" in problem(ask(as_user(alice), wanted))


def test_nobody_else_finds_a_session_not_even_an_administrator(
    alice: User, admin: User, auditor: User, outsider: User, as_user: AsUser
) -> None:
    session = session_of(alice)
    for other in (admin, auditor, outsider):
        for wanted in (session.pk, "web-1"):
            assert "You have no session" in problem(ask(as_user(other), wanted))
        with pytest.raises(Forbidden):
            give_certificate_for(other, session, new_key())
    assert signed() == 0


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.AVAILABLE, Status.LOGGED_IN}))
def test_a_session_that_is_not_open_says_why(alice: User, as_user: AsUser, status: Status) -> None:
    session = session_of(alice, status)
    said = problem(ask(as_user(alice), session.pk))
    assert ("locked" in said) if status == Status.LOCKED else (str(status.label) in said)
    assert signed() == 0


def test_a_host_without_ssh_is_not_logged_in_to(alice: User, as_user: AsUser) -> None:
    session = make_session(alice, resource=make_resource("practice-1"))
    assert "Certificates do not open practice-1" in problem(ask(as_user(alice), session.pk))
    assert "You have no session" in problem(ask(as_user(alice), "practice-1"))


def test_a_locked_account_gets_nothing(alice: User, admin: User, as_user: AsUser) -> None:
    session, client = session_of(alice), as_user(alice)
    lock_account(admin, alice, title="Key lost")
    assert ask(client, session.pk).status_code == 302
    assert signed() == 0


def test_weak_damaged_and_other_peoples_keys_are_not_signed(alice: User, outsider: User, as_user: AsUser) -> None:
    session, client = session_of(alice), as_user(alice)
    private = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    weak = asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_public_key().decode()
    for key, said in (
        ("nonsense", "no public key"),
        (private, "private key"),
        (weak, "2048 bits"),
        (make_key(outsider).public_key, "somebody else"),
        (ca.active().public_key, "somebody else"),
    ):
        found = problem(ask(client, session.pk, key))
        assert said in found
        assert key not in found
    assert signed() == 0


def test_ones_own_registered_key_is_signed_too(alice: User, as_user: AsUser) -> None:
    session, key = session_of(alice), make_key(alice)
    assert ask(as_user(alice), session.pk, key.public_key).status_code == 200


def test_a_foreign_page_cannot_ask_for_one(alice: User) -> None:
    session = session_of(alice)
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert ask(client, session.pk).status_code == 403
    assert signed() == 0
