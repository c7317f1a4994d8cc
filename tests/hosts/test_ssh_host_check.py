"""Testing the connection to a host: what works, line by line, and a host key that is confirmed before it is trusted."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.connectors import TemporaryError
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.connectors.ssh import credentials
from sessions_app.hosts.connectors.ssh.check import check_host
from sessions_app.hosts.connectors.ssh.credentials import credentials_for, host_of
from sessions_app.hosts.connectors.ssh.transport import connected
from sessions_app.hosts.ssh import ca
from tests.support import builders, pages, sshd
from tests.support.programs import free_port

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]
AsUser = Callable[[User], Client]


@pytest.fixture
def server(tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    credentials.forget()
    with sshd.serving(tmp_path / "sshd", trusted_authority=ca.create().public_key) as running:
        yield running


def make_host(server: sshd.Server, **values: str) -> Resource:
    resource = builders.make_resource(
        "web-1", address="127.0.0.1", port=server.port, connector="ssh", service_account="root", **values
    )
    assert isinstance(resource, Resource)
    return resource


def test_first_contact_shows_the_fingerprint_and_confirming_pins_it(
    server: sshd.Server, as_user: AsUser, admin: User
) -> None:
    resource, client = make_host(server), as_user(admin)
    assert "Test connection" in client.get(f"/resources/{resource.pk}/").content.decode()
    response = client.post(f"/resources/{resource.pk}/check/")
    page = pages.text(pages.elements(response))
    assert "Not confirmed yet" in page
    assert sshd.fingerprint(server.directory / "host_key.pub") in page
    form = {"key": server.host_key, "instead_of": ""}
    client.post(f"/resources/{resource.pk}/host-key/", form)
    resource.refresh_from_db()
    assert resource.host_key == server.host_key
    assert LogEntry.objects.get(verb=Verb.HOST_KEY_CONFIRMED).actor_id == admin.pk
    assert "Everything works" in client.post(f"/resources/{resource.pk}/check/").content.decode()


def test_a_key_that_was_pinned_meanwhile_is_not_overwritten(server: sshd.Server, as_user: AsUser, admin: User) -> None:
    resource = make_host(server, host_key="ssh-ed25519 AAAA")
    as_user(admin).post(f"/resources/{resource.pk}/host-key/", {"key": server.host_key, "instead_of": ""})
    resource.refresh_from_db()
    assert resource.host_key == "ssh-ed25519 AAAA"


def test_a_changed_host_key_is_refused_and_is_an_error_in_the_log(
    server: sshd.Server, as_user: AsUser, admin: User, tmp_path: Path
) -> None:
    other = sshd.make_key(tmp_path / "other")
    resource = make_host(server, host_key=other)
    page = as_user(admin).post(f"/resources/{resource.pk}/check/").content.decode()
    assert "shows another host key" in page
    assert "Everything works" not in page
    assert LogEntry.objects.get(verb=Verb.HOST_CHECKED).level == Level.ERROR
    assert "Accepted" not in server.printed()


def test_the_command_says_what_works_and_pins_by_fingerprint(server: sshd.Server) -> None:
    resource, out = make_host(server), StringIO()
    with pytest.raises(CommandError, match="does not work yet"):
        call_command("host_check", "web-1", stdout=out)
    assert "FAIL Host key: Not confirmed yet" in out.getvalue()
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("host_check", "web-1", confirm="SHA256:wrong", stdout=out)
    resource.refresh_from_db()
    assert resource.host_key == ""
    call_command("host_check", "web-1", confirm=sshd.fingerprint(server.directory / "host_key.pub"), stdout=out)
    assert "ok   Tools: Everything needed is there" in out.getvalue()
    resource.refresh_from_db()
    assert resource.host_key == server.host_key


def test_a_host_that_does_not_answer_or_does_not_know_us_is_said(server: sshd.Server) -> None:
    resource, out = make_host(server, host_key=server.host_key), StringIO()
    Resource.objects.filter(pk=resource.pk).update(service_account="nobody")
    with pytest.raises(CommandError):
        call_command("host_check", "web-1", stdout=out)
    assert "FAIL" in out.getvalue()
    Resource.objects.filter(pk=resource.pk).update(port=free_port())
    with pytest.raises(CommandError):
        call_command("host_check", "web-1", stdout=out)
    assert "FAIL Reach: No SSH server answers" in out.getvalue()


def test_nothing_is_read_from_the_home_of_whoever_started_the_console(
    server: sshd.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", f"/nowhere/{'x' * 300}")  # which cannot even be looked at, as root's by others
    make_host(server, host_key=server.host_key)
    out = StringIO()
    call_command("host_check", "web-1", stdout=out)
    assert "FAIL" not in out.getvalue()


def test_an_error_of_our_own_machine_is_named_as_one(server: sshd.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = make_host(server, host_key=server.host_key)

    async def refused(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/root/.ssh/crt")

    words = "web-1 was not asked: SessionAdmin's own machine could not open a connection: Permission denied (/root/.ssh"
    monkeypatch.setattr(asyncssh, "get_server_host_key", refused)
    [line] = check_host(resource, 0).lines
    assert words in line.text
    monkeypatch.setattr(asyncssh, "connect", refused)
    with pytest.raises(TemporaryError, match=re.escape(words)), connected(host_of(resource), credentials_for(resource)):
        pass
    monkeypatch.undo()
    with connected(host_of(resource), credentials_for(resource)):  # it does not count as silent
        pass
