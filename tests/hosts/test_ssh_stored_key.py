"""A service account logs in with a stored private key to a host that does not trust the console's authority."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from sessions_app.catalogue.models import Resource, ServiceAuth
from sessions_app.hosts.models import ServiceKey
from sessions_app.hosts.ssh import service
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.models import Status
from tests.support import sshd
from tests.support.scene import ask
from tests.support.ssh_scene import forget, given, prepare, register_key, said, worked

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]


def stored_key(name: str, private: str = "") -> ServiceKey:
    """Store a key pair: a new one, or the one in `private`."""
    key = ServiceKey(name=name)
    service.fill(key, private)
    key.save()
    return key


@pytest.fixture
def server(tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    with sshd.alone():
        forget()
        key = stored_key("web hosts")
        with sshd.serving(tmp_path / "sshd", authorized=key.public_key) as running:
            yield running


def host_by_key(server: sshd.Server, user: User, key: str) -> Resource:
    resource = prepare(server, user)
    resource.service_auth, resource.service_key = ServiceAuth.KEY, ServiceKey.objects.get(name=key)
    resource.save(update_fields=["service_auth", "service_key"])
    return resource


def test_rights_are_given_and_taken_by_the_stored_key(server: sshd.Server, alice: User, tmp_path: Path) -> None:
    host_by_key(server, alice, "web hosts")
    key = register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    assert server.ssh(session.login_account, key, "sudo -n id -u").stdout.strip() == "0"
    assert "Accepted publickey for root from 127.0.0.1 port" in server.printed()
    assert ServiceKey.objects.get().fingerprint in server.printed()
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []


def test_a_key_that_was_made_elsewhere_serves_too(server: sshd.Server, alice: User, tmp_path: Path) -> None:
    public = sshd.make_key(tmp_path / "made")
    stored_key("made elsewhere", (tmp_path / "made").read_text())
    (server.directory / "root_keys").write_text(f"{public}\n")
    host_by_key(server, alice, "made elsewhere")
    out = StringIO()
    call_command("host_check", "web-1", stdout=out)
    assert "ok   Login: root is let in" in out.getvalue()
    assert "FAIL" not in out.getvalue()


def test_a_wrong_key_is_said_by_the_test_and_fails_the_session(server: sshd.Server, alice: User) -> None:
    stored_key("another")
    host_by_key(server, alice, "another")
    out = StringIO()
    with pytest.raises(CommandError, match="does not work yet"):
        call_command("host_check", "web-1", stdout=out)
    refused = "web-1 refuses the service account root. Does it trust our key or certificate"
    assert f"FAIL Login: {refused}" in out.getvalue()
    session = worked(ask(alice))
    assert refused in session.end_reason, said(session)
    assert session.status == Status.CANCELING  # it cannot know that nothing was given
    Resource.objects.update(service_key=ServiceKey.objects.get(name="web hosts"))
    assert worked(session).status == Status.FAILED
    assert sshd.leftovers() == []


def test_a_resource_without_its_key_is_said(server: sshd.Server, alice: User) -> None:
    host_by_key(server, alice, "web hosts")
    Resource.objects.update(service_key=None)
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("host_check", "web-1", stdout=out)
    assert "FAIL Login: web-1 has no stored key to log in with." in out.getvalue()
