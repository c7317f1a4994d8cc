"""`sessionadmin doctor` compares a real host with the sessions that are going on."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.catalogue.models import Resource
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.worker.health import hosts
from sessions_app.worker.health.findings import Grade
from tests.support import builders, sshd
from tests.support.ssh_scene import given, prepare, register_key

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]


def test_what_is_left_on_a_host_is_found_and_a_living_session_is_not(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    resource = prepare(server, alice)
    register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    found, _ = hosts.check_hosts(None)
    assert (found.name, found.grade) == ("Host web-1", Grade.OK), found.text
    # As after a database was restored from a backup: the console does not know the session on this host.
    PrivilegedSession.objects.filter(pk=session.pk).update(resource=builders.make_resource("elsewhere"))
    found, _ = hosts.check_hosts(None)
    assert found.is_error
    assert f"account {session.login_account} of session {session.pk}" in found.text
    assert found.remedy == "Take it away: sessionadmin audit_grants web-1 --remove"
    assert session.login_account in sshd.accounts()
    Resource.objects.filter(pk=resource.pk).update(host_key="")
    found, _ = hosts.check_hosts(None)
    assert "Not confirmed yet" in found.text
