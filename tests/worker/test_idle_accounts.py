"""Accounts that nobody uses are disabled by the worker, where the settings of sign-in say after how many days."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.login_rules.models import ONLY_ROW, SignInSettings
from sessions_app.logins.models import EndReason
from sessions_app.privileged.models import Status
from sessions_app.worker.idle_accounts import disable_idle_accounts
from tests.support import builders

LONG_AGO = timezone.now() - dt.timedelta(days=100)


@pytest.fixture(autouse=True)
def settings_of_sign_in(db: None) -> SignInSettings:
    return SignInSettings.objects.create(pk=ONLY_ROW, idle_days=90)


def unused(name: str, **fields: Any) -> User:
    user = builders.make_admin(name) if fields.pop("administers", False) else builders.make_user(name)
    User.objects.filter(pk=user.pk).update(**{"date_joined": LONG_AGO, "last_login": LONG_AGO} | fields)
    return user


def active() -> set[str]:
    return set(User.objects.filter(is_active=True).values_list("username", flat=True))


def test_an_account_that_nobody_uses_is_disabled_with_its_logins_and_logged(admin: User) -> None:
    bob = unused("bob")
    login = builders.make_login(bob, last_access_at=LONG_AGO)
    scheduled = builders.make_session(bob, Status.PENDING)
    unused("never", last_login=None)
    builders.make_user("young")  # was made today, and nobody has logged in to it yet
    assert disable_idle_accounts() == 2
    assert active() == {"admin", "young"}
    login.refresh_from_db()
    assert login.end_reason == EndReason.DISABLED
    scheduled.refresh_from_db()
    assert scheduled.status == Status.CANCELED
    entry = LogEntry.objects.get(verb=Verb.ACCOUNT_IDLE, user=bob)
    assert entry.message == "bob was disabled, because nobody has used the account for 90 days"
    assert disable_idle_accounts() == 0


def test_every_use_counts_and_break_glass_accounts_and_applications_need_none(
    admin: User, settings_of_sign_in: SignInSettings
) -> None:
    unused("logged-in", last_login=timezone.now())
    builders.make_login(unused("has-a-page-open"))
    key = builders.make_key(unused("comes-with-ssh"))
    type(key).objects.filter(pk=key.pk).update(last_used_at=timezone.now())
    settings_of_sign_in.break_glass_accounts.add(unused("glass"))
    job = builders.make_application("job").principal
    User.objects.filter(pk=job.pk).update(date_joined=LONG_AGO)
    before = active()
    assert disable_idle_accounts() == 0
    assert active() == before


def test_an_account_that_is_enabled_again_counts_as_used_then(admin: User) -> None:
    bob = unused("bob")
    assert disable_idle_accounts() == 1
    bob.refresh_from_db()
    bob.is_active = True
    bob.save()
    assert disable_idle_accounts() == 0
    assert disable_idle_accounts(timezone.now() + dt.timedelta(days=91)) == 1


def test_the_last_administrator_is_never_disabled() -> None:
    unused("first", administers=True)
    unused("latest", administers=True, last_login=LONG_AGO + dt.timedelta(days=1))
    unused("somebody")
    assert disable_idle_accounts() == 2
    assert active() == {"latest"}


def test_nothing_is_disabled_unless_the_settings_say_so(settings_of_sign_in: SignInSettings, admin: User) -> None:
    SignInSettings.objects.update(idle_days=None)
    unused("bob")
    assert disable_idle_accounts() == 0
