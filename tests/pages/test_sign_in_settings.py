"""/sign-in/: what administrators decide about signing in."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.login_rules.models import SignInSettings, WhenTooMany
from tests.support import pages
from tests.support.builders import make_application

SENT = {
    "second_factor": "staff",
    "grace_logins": "3",
    "max_logins": "3",
    "when_too_many": "refuse_new",
    "idle_days": "90",
    "password_login": "everybody",
}


def changes() -> dict[str, Any]:
    changed = LogEntry.objects.filter(verb=Verb.RECORD_CHANGED, target_type="sessions_app.signinsettings")
    details: dict[str, Any] = changed.latest("pk").details
    return details


def test_settings_that_nobody_has_saved_are_the_defaults_and_cost_one_query(
    db: None, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        settings = SignInSettings.current()
    assert (settings.max_logins, settings.when_too_many, settings.idle_days) == (None, WhenTooMany.END_OLDEST, None)


def test_settings_are_saved_for_everybody_and_logged_with_both_values(boss: Client, admin: User, alice: User) -> None:
    sent = {**SENT, "break_glass_accounts": str(alice.pk)}
    answer = boss.post("/sign-in/", sent, follow=True)
    assert "The settings of sign-in were saved." in pages.text(pages.elements(answer))
    assert "not used" not in pages.text(pages.elements(answer))
    settings = SignInSettings.current()
    assert (settings.max_logins, settings.when_too_many, settings.idle_days) == (3, WhenTooMany.REFUSE_NEW, 90)
    assert (SignInSettings.is_break_glass(alice.pk), SignInSettings.is_break_glass(admin.pk)) == (True, False)
    assert changes() == {"added": {"users": ["alice"]}}
    boss.post("/sign-in/", {**sent, "max_logins": ""})
    assert SignInSettings.current().max_logins is None
    assert changes() == {"changes": {"max_logins": {"old": 3, "new": None}}}


def test_whoever_can_log_in_with_a_password_can_be_a_break_glass_account(boss: Client, alice: User) -> None:
    robot = make_application("robot").principal
    nobody = User.objects.create_user("provider-only")
    offered = [pages.text(one) for one in pages.elements(boss.get("/sign-in/")).iterfind(".//fieldset//label")]
    assert any("alice" in one for one in offered)
    assert [one for one in offered if "robot" in one or "provider-only" in one] == []
    for account in (robot, nobody):
        answer = boss.post("/sign-in/", {**SENT, "break_glass_accounts": str(account.pk)})
        assert (answer.status_code, SignInSettings.is_break_glass(account.pk)) == (422, False)
    boss.post("/sign-in/", {**SENT, "break_glass_accounts": str(alice.pk)})
    alice.set_unusable_password()
    alice.save()
    boss.post("/sign-in/", {**SENT, "break_glass_accounts-shown": str(alice.pk)})
    assert not SignInSettings.is_break_glass(alice.pk)  # whoever lost the password is taken off as anybody else


def test_a_value_that_cannot_be_is_refused_and_nothing_is_saved(boss: Client) -> None:
    answer = boss.post("/sign-in/", {"max_logins": "0", "when_too_many": "refuse_new", "idle_days": "1"})
    assert answer.status_code == 422
    page = pages.elements(answer)
    assert {link.get("href") for link in page.iterfind(".//a")} >= {"#field-max_logins", "#field-idle_days"}
    assert SignInSettings.current().when_too_many == WhenTooMany.END_OLDEST


def test_whoever_limits_unused_accounts_reads_how_many_will_be_disabled(boss: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(date_joined=timezone.now() - dt.timedelta(days=100))
    answer = boss.post("/sign-in/", SENT, follow=True)
    said = pages.text(pages.elements(answer))
    assert "1 account was not used for 90 days. A worker disables what is unused within ten minutes." in said
