"""`sessionadmin login_rules`: what counts for a person, and the way in when a rule shuts out everybody."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.login_rules.models import LoginRule
from sessions_app.login_rules.rules import refusal_of


def said(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("login_rules", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_it_shows_what_counts_and_lifts_it_for_one_person_with_a_log_entry(admin: User, alice: User) -> None:
    assert said("alice") == ["alice:", "  No login rule counts."]
    group = Group.objects.get(name="Administrators")
    LoginRule.objects.create(group=group, networks="192.0.2.0/24", hours="Mon 07:00-19:00", max_logins=2)
    assert said("admin") == [
        "admin:",
        "  From 192.0.2.0/24 (group Administrators)",
        "  Mon 07:00-19:00 (group Administrators)",
        "  At most 2 at a time (group Administrators)",
    ]
    assert refusal_of(admin.pk, "203.0.113.7") is not None
    lifted = said("admin", "--lift")
    assert lifted[1:3] == ["  From 0.0.0.0/0, ::/0", "  Mon-Sun 00:00-24:00"]
    assert refusal_of(admin.pk, "203.0.113.7") is None
    assert LogEntry.objects.filter(verb=Verb.RECORD_ADDED, message__contains="login rule “admin”").exists()


def test_a_name_that_does_not_exist_is_told(alice: User) -> None:
    with pytest.raises(CommandError, match="alise"):
        said("alise")
