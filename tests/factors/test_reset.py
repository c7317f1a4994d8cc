"""Administrators reset the factors of a person, and a command those of the last administrator."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.factors import recovery
from sessions_app.factors.models import RecoveryCode, TotpSecret
from sessions_app.factors.required import must_enrol_now
from sessions_app.factors.webauthn import PASSKEY
from sessions_app.logins.models import EndReason, LoginSession
from tests.support import builders
from tests.support.factors import code_of, give_app, give_key

AsUser = Callable[[User], Client]


def everything(user: User) -> None:
    user.email = "alice@example.com"
    user.save(update_fields=["email"])
    give_app(user)
    give_key(user, PASSKEY)
    recovery.make(user)


@pytest.mark.django_db(transaction=True)
def test_a_reset_removes_all_ends_the_logins_mails_and_logs(boss: Client, alice: User, as_user: AsUser) -> None:
    everything(alice)
    as_user(alice)
    half = Client()
    half.post("/accounts/login/", {"username": "alice", "password": builders.PASSWORD})
    said = boss.post(f"/users/{alice.pk}/factors/reset/", follow=True).content.decode()
    assert "2 removed, 1 logged out" in said
    left = [model.objects.count() for model in (Authenticator, TotpSecret, RecoveryCode)]
    assert left == [0, 0, 0]
    assert LoginSession.objects.get(user=alice).end_reason == EndReason.FORCED
    half.post("/accounts/2fa/authenticate/", {"code": code_of()})
    assert not LoginSession.objects.live().filter(user=alice).exists()
    letter = mail.outbox[-1]
    assert (letter.to, "were reset" in letter.subject) == (["alice@example.com"], True)
    entry = LogEntry.objects.get(verb=Verb.FACTORS_RESET)
    assert (entry.actor_name, entry.user, entry.level) == ("admin", alice, Level.WARNING)


def test_after_a_reset_the_next_login_must_enrol_where_one_is_required(boss: Client, auditor: User) -> None:
    give_app(auditor)
    boss.post(f"/users/{auditor.pk}/factors/reset/")
    assert must_enrol_now(auditor)


def test_nobody_resets_the_own_factors_or_those_of_a_superuser(boss: Client, admin: User) -> None:
    give_app(admin)
    assert "These are your own" in boss.post(f"/users/{admin.pk}/factors/reset/", follow=True).content.decode()
    root = User.objects.create_superuser("root")
    give_key(root)
    boss.post(f"/users/{root.pk}/factors/reset/")
    assert Authenticator.objects.count() == 2


@pytest.mark.django_db
def test_the_command_resets_those_of_the_last_administrator(admin: User) -> None:
    give_app(admin)
    out = StringIO()
    call_command("reset_factors", "admin", stdout=out)
    assert "Removed 1 second factor(s) of admin" in out.getvalue()
    assert not Authenticator.objects.exists()
    assert LogEntry.objects.get(verb=Verb.FACTORS_RESET).actor is None


@pytest.mark.django_db
def test_the_command_says_that_there_is_no_such_user() -> None:
    with pytest.raises(CommandError, match="There is no user “nobody”"):
        call_command("reset_factors", "nobody")
