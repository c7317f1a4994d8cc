"""`sessionadmin audit_grants` on practice hosts; tests/hosts/test_ssh_audit_grants.py has real ones."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from activity.models import LogEntry
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.models import PrivilegedSession
from tests.support import builders
from tests.support.scene import granted

pytestmark = pytest.mark.django_db


def test_what_is_left_is_listed_and_goes_on_request_and_the_living_stay(alice: User) -> None:
    living, out = granted(alice), StringIO()
    other = granted(builders.make_user("bob"))
    number = other.pk
    left = practice.find_grant(number)
    assert left is not None
    # As after a database was restored from a backup: the console does not know the session on this host.
    PrivilegedSession.objects.filter(pk=number).update(resource=builders.make_resource("elsewhere"))
    left.write_text("{")  # readable or not
    with pytest.raises(CommandError, match=f"practice grant {left.name} of session {number}"):
        call_command("audit_grants", "web-1", stdout=out)
    assert left.exists()
    call_command("audit_grants", "web-1", remove=True, stdout=out)
    assert "Removed what was left of 1 session." in out.getvalue()
    assert not left.exists()
    assert practice.find_grant(living.pk) is not None
    assert LogEntry.objects.filter(message=f"Removing what was left of session {number} on web-1").count() == 1
    call_command("audit_grants", "web-1", stdout=out)
    assert out.getvalue().endswith("web-1 holds nothing of sessions that are over.\n")


def test_a_host_that_is_down_is_an_error_and_a_vault_has_nothing_to_look_at(alice: User) -> None:
    granted(alice)
    practice.set_state("web-1", practice.UNREACHABLE)
    with pytest.raises(CommandError, match="cannot be reached"):
        call_command("audit_grants", "web-1")
    builders.make_resource("vault-1", connector="vault")
    with pytest.raises(CommandError, match="leaves nothing behind"):
        call_command("audit_grants", "vault-1")
