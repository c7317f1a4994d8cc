"""`sessionadmin audit_grants` finds on a real host what belongs to no living session, and removes it on request."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from sessions_app.catalogue.models import Resource
from sessions_app.privileged.models import PrivilegedSession
from tests.support import builders, sshd
from tests.support.ssh_scene import given, prepare, register_key

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]


def test_living_sessions_are_left_alone_and_leftovers_go(server: sshd.Server, alice: User, tmp_path: Path) -> None:
    prepare(server, alice)
    register_key(alice, tmp_path / "id_alice")
    session, out = given(alice), StringIO()
    call_command("audit_grants", "web-1", stdout=out)
    assert "holds nothing of sessions that are over" in out.getvalue()
    # As after a database was restored from a backup: the console does not know the session on this host.
    PrivilegedSession.objects.filter(pk=session.pk).update(resource=builders.make_resource("elsewhere"))
    with pytest.raises(CommandError, match=f"account {session.login_account} of session {session.pk}"):
        call_command("audit_grants", "web-1", stdout=out)
    assert session.login_account in sshd.accounts()
    call_command("audit_grants", "web-1", remove=True, stdout=out)
    assert "Removed what was left of 1 session." in out.getvalue()
    assert sshd.accounts() == []
    stored = f"/home/{session.login_account}.session-{session.pk}"
    assert sshd.leftovers() == [stored]


def test_a_host_that_cannot_be_asked_is_an_error(server: sshd.Server, alice: User) -> None:
    prepare(server, alice)
    Resource.objects.update(host_key="")
    with pytest.raises(CommandError, match="not confirmed yet"):
        call_command("audit_grants", "web-1")
    with pytest.raises(CommandError, match="no resource"):
        call_command("audit_grants", "web-2")
