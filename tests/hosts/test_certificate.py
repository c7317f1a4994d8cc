"""A certificate is for the user of a session, while it is available, for a few minutes, and for that session only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.errors import Forbidden, Refused
from sessions_app.hosts.flows.certificate import give_certificate
from sessions_app.hosts.models import UserKey
from sessions_app.hosts.ssh import ca
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support.builders import make_key, make_resource, make_session
from tests.support.pages import ClientResponse, elements, text

AsUser = Callable[[User], Client]


@pytest.fixture
def authority(db: None) -> None:
    ca.create()


def session_of(user: User, status: Status = Status.AVAILABLE, **values: Any) -> PrivilegedSession:
    return make_session(user, status, resource=make_resource("ssh-1", connector="ssh", port=2222), **values)


def download(client: Client, session: PrivilegedSession, key: UserKey) -> ClientResponse:
    return client.post(f"/sessions/{session.pk}/certificate/", {"key": key.pk})


@pytest.mark.parametrize("status", [Status.AVAILABLE, Status.LOGGED_IN])
def test_the_user_of_a_session_downloads_a_certificate_for_it(
    authority: None, alice: User, as_user: AsUser, status: Status
) -> None:
    session, key, other = session_of(alice, status), make_key(alice), make_key(alice)
    client = as_user(alice)
    answer = download(client, session, key)
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == f'attachment; filename="session-{session.pk}-cert.pub"'
    assert "no-store" in answer["Cache-Control"]
    certificate = asyncssh.import_certificate(answer.content.decode())
    assert isinstance(certificate, asyncssh.public_key.SSHOpenSSHCertificate)
    assert certificate.principals == [f"session-{session.pk}"]
    assert certificate.key.get_fingerprint("sha256") == key.fingerprint
    assert certificate.options == {"permit-pty": True}
    key.refresh_from_db()
    other.refresh_from_db()
    assert key.last_used_at is not None
    assert other.last_used_at is None
    assert "last used" in client.get("/accounts/me/").content.decode()


def test_the_download_is_in_the_session_log(authority: None, alice: User, as_user: AsUser) -> None:
    session, key = session_of(alice), make_key(alice)
    download(as_user(alice), session, key)
    entry = LogEntry.objects.of_target(session).get(verb=Verb.CERTIFICATE_SIGNED)
    assert entry.actor == alice
    assert entry.details["key"] == key.fingerprint
    assert entry.details["key_id"] == f"alice/session-{session.pk}"
    assert entry.details["serial"] in as_user(alice).get(f"/activity/{entry.pk}/").content.decode()


def until(session: PrivilegedSession) -> dt.datetime:
    entry = LogEntry.objects.of_target(session).filter(verb=Verb.CERTIFICATE_SIGNED).latest("pk")
    return dt.datetime.fromisoformat(entry.details["valid_until"])


def test_it_is_good_for_five_minutes_and_never_beyond_the_end(authority: None, alice: User, as_user: AsUser) -> None:
    key, now = make_key(alice), timezone.now()
    long = session_of(alice)
    download(as_user(alice), long, key)
    assert dt.timedelta(minutes=4) < until(long) - now < dt.timedelta(minutes=6)
    short = session_of(alice, end_at=now + dt.timedelta(seconds=90))
    download(as_user(alice), short, key)
    assert short.end_at is not None
    assert until(short) <= short.end_at


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.AVAILABLE, Status.LOGGED_IN}))
def test_there_is_none_when_the_session_is_not_open(
    authority: None, alice: User, as_user: AsUser, status: Status
) -> None:
    session, key = session_of(alice, status), make_key(alice)
    client = as_user(alice)
    answer = download(client, session, key)
    assert answer.status_code == 422
    assert "attachment" not in answer.get("Content-Disposition", "")
    assert not LogEntry.objects.filter(verb=Verb.CERTIFICATE_SIGNED).exists()
    key.refresh_from_db()
    assert key.last_used_at is None
    page = client.get(f"/sessions/{session.pk}/certificate/")
    assert "No certificate was made" in page.content.decode()
    assert "/certificate/" not in client.get(f"/sessions/{session.pk}/").content.decode()


def test_there_is_none_after_the_end(authority: None, alice: User, as_user: AsUser) -> None:
    session, key = session_of(alice), make_key(alice)
    PrivilegedSession.objects.filter(pk=session.pk).update(end_at=timezone.now())
    assert download(as_user(alice), session, key).status_code == 422


def test_there_is_none_for_a_host_without_ssh(authority: None, alice: User, as_user: AsUser) -> None:
    session, key = make_session(alice), make_key(alice)
    assert download(as_user(alice), session, key).status_code == 422
    assert "/certificate/" not in as_user(alice).get(f"/sessions/{session.pk}/").content.decode()


def test_nobody_else_gets_one_not_even_an_administrator(
    authority: None, alice: User, admin: User, auditor: User, outsider: User, as_user: AsUser
) -> None:
    session, key = session_of(alice), make_key(alice)
    for other, code in ((admin, 403), (auditor, 403), (outsider, 404)):
        assert download(as_user(other), session, key).status_code == code
        with pytest.raises(Forbidden):
            give_certificate(other, session, make_key(other))
    assert "/certificate/" not in as_user(admin).get(f"/sessions/{session.pk}/").content.decode()
    assert not LogEntry.objects.filter(verb=Verb.CERTIFICATE_SIGNED).exists()


def test_somebody_elses_key_cannot_be_signed(authority: None, alice: User, outsider: User, as_user: AsUser) -> None:
    session, key = session_of(alice), make_key(outsider)
    assert download(as_user(alice), session, key).status_code == 422
    with pytest.raises(Forbidden):
        give_certificate(alice, session, key)


def test_an_account_that_is_locked_gets_none(authority: None, alice: User, admin: User) -> None:
    session, key = session_of(alice), make_key(alice)
    lock_account(admin, alice, title="Key lost")
    with pytest.raises(Refused):
        give_certificate(alice, session, key)
    # Also when only the account's lock stands in the way.
    again = session_of(alice)
    assert AccountLock.objects.in_force().filter(user=alice).exists()
    with pytest.raises(Refused, match="account is locked"):
        give_certificate(alice, again, key)


def test_a_key_that_was_removed_meanwhile_is_not_signed(authority: None, alice: User) -> None:
    session, key = session_of(alice), make_key(alice)
    UserKey.objects.filter(pk=key.pk).delete()
    with pytest.raises(Refused, match="removed"):
        give_certificate(alice, session, key)


@pytest.mark.parametrize("has_authority", [True, False])
def test_without_authority_or_key_of_encryption_the_person_is_told_whom_to_ask(
    alice: User, as_user: AsUser, settings: Any, has_authority: bool
) -> None:
    session, key = session_of(alice), make_key(alice)
    if has_authority:
        ca.create()
        settings.ENCRYPTION_KEYS = []
    answer = download(as_user(alice), session, key)
    assert answer.status_code == 422
    assert "An administrator has to set this up" in answer.content.decode()
    assert "ENCRYPTION_KEYS" not in answer.content.decode()
    key.refresh_from_db()
    assert key.last_used_at is None


def test_the_page_says_how_to_log_in(authority: None, alice: User, as_user: AsUser) -> None:
    session = session_of(alice)
    client = as_user(alice)
    assert "registered none" in client.get(f"/sessions/{session.pk}/certificate/").content.decode()
    make_key(alice)
    page = elements(client.get(f"/sessions/{session.pk}/certificate/"))
    assert f"CertificateFile=session-{session.pk}-cert.pub {session.login_account}@ssh-1.example.com" in text(
        page.find(".//pre")
    )
    there = elements(client.get(f"/sessions/{session.pk}/connections/"))
    assert f"ssh -p 2222 {session.login_account}@ssh-1.example.com" in text(there.find(".//section[@id='log-in']"))
