"""The form for the login rule of a person or a group, and what their pages say of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.login_rules.hours import DAYS
from sessions_app.login_rules.models import LoginRule
from tests.support import builders, pages

AsUser = Callable[[User], Client]
HERE = "127.0.0.1"


def problems(answer: Any) -> str:
    assert answer.status_code == 422
    return pages.text(pages.elements(answer).find(".//main"))


def facts(answer: Any) -> str:
    return pages.text(pages.elements(answer).find(".//dl[@id='facts']"))


def test_a_rule_is_stored_as_it_was_meant_shown_and_logged(boss: Client, admin: User, alice: User) -> None:
    path = f"/users/{alice.pk}/login-rule/"
    typed = {"networks": "10.20.0.0/16, 192.0.2.7 10.20.0.0/16", "hours": "monday – friday 7:00-19:00\nSat"}
    page = boss.post(path, typed, follow=True)
    assert "Saved the login rule of alice." in pages.text(pages.elements(page))
    assert "From 10.20.0.0/16, 192.0.2.7/32 Mon-Fri 07:00-19:00, Sat 00:00-24:00" in facts(page)
    rule = LoginRule.objects.get(user=alice)
    assert (rule.networks, rule.hours) == ("10.20.0.0/16\n192.0.2.7/32", "Mon-Fri 07:00-19:00\nSat 00:00-24:00")
    boss.post(path, {"networks": rule.networks, "hours": "", "max_logins": "2"})
    changed = LogEntry.objects.filter(verb=Verb.RECORD_CHANGED, actor=admin).latest("pk")
    assert changed.details["changes"]["max_logins"] == {"old": None, "new": 2}
    gone = boss.post(path, {"networks": "", "hours": "", "max_logins": ""}, follow=True)
    assert "No login rule of alice is left." in pages.text(pages.elements(gone))
    assert not LoginRule.objects.exists()
    assert "Login rules none" in facts(gone)


def test_the_rule_of_a_group_stands_on_its_page_and_on_those_of_its_members(boss: Client, alice: User) -> None:
    group = Group.objects.create(name="Staff")
    group.user_set.add(alice)
    page = boss.post(f"/groups/{group.pk}/login-rule/", {"networks": "10.0.0.0/8", "max_logins": "3"}, follow=True)
    assert "From 10.0.0.0/8 At most 3 at a time" in facts(page)
    assert "From 10.0.0.0/8 (group Staff) At most 3 at a time (group Staff)" in facts(boss.get(f"/users/{alice.pk}/"))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            {"networks": "10.20.0.1/16"},
            "“10.20.0.1/16” is an address inside a network. Write 10.20.0.0/16, or 10.20.0.1",
        ),
        ({"networks": "office"}, "“office” is no network."),
        ({"networks": "::ffff:10.0.0.0/104"}, "is a network of IPv4 in the form of IPv6."),
        ({"networks": "10.0.0.0/33"}, "“10.0.0.0/33” is no network."),
        ({"hours": "Mon, Tue 08:00-12:00"}, "cannot be read as hours of the week. Write for instance Mon-Fri 07:00"),
        ({"hours": "Mon 08:00-25:00"}, "is no span of a day."),
        ({"hours": "Mon 08:99-12:00"}, "08:99 is no time of day."),
        ({"hours": "Someday"}, "cannot be read as hours of the week."),
        ({"max_logins": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_read_is_told_and_stays_in_the_form(boss: Client, alice: User, typed: Any, said: str) -> None:
    answer = boss.post(f"/users/{alice.pk}/login-rule/", typed)
    assert said in problems(answer)
    assert next(iter(typed.values())) in answer.content.decode()
    assert not LoginRule.objects.exists()


@pytest.mark.parametrize("of_group", [True, False])
def test_a_rule_that_would_shut_out_its_author_is_refused_and_nothing_is_changed(
    boss: Client, admin: User, of_group: bool
) -> None:
    group = admin.groups.get(name="Administrators")
    path = f"/groups/{group.pk}/login-rule/" if of_group else f"/users/{admin.pk}/login-rule/"
    said = problems(boss.post(path, {"networks": "192.0.2.0/24"}))
    assert f"This would shut you out: you are at {HERE}." in said
    assert "Nothing was changed." in said
    today = timezone.localtime(timezone=timezone.get_default_timezone()).weekday()
    assert "This would shut you out" in problems(boss.post(path, {"hours": DAYS[(today + 3) % 7]}))
    assert not LoginRule.objects.exists()
    assert boss.post(path, {"networks": f"192.0.2.0/24 {HERE}"}).status_code == 302


def test_taking_ones_own_exception_away_is_refused_while_a_group_would_shut_one_out(boss: Client, admin: User) -> None:
    LoginRule.objects.create(user=admin, networks="0.0.0.0/0")
    LoginRule.objects.create(group=admin.groups.get(), networks="192.0.2.0/24")
    said = problems(boss.post(f"/users/{admin.pk}/login-rule/", {"networks": ""}))
    assert "The login rule of the group Administrators does not allow 127.0.0.1." in said
    assert LoginRule.objects.get(user=admin).networks == "0.0.0.0/0"


def test_only_a_superuser_limits_superusers(as_user: AsUser, admin: User) -> None:
    root = builders.make_user("root")
    root.is_superuser = True
    root.save()
    group = Group.objects.create(name="Owners")
    group.user_set.add(root)
    path = f"/groups/{group.pk}/login-rule/"
    assert "Only a superuser changes the rule" in problems(as_user(admin).post(path, {"networks": "192.0.2.0/24"}))
    assert as_user(admin).post(f"/users/{root.pk}/login-rule/", {"networks": "192.0.2.0/24"}).status_code == 403
    assert not LoginRule.objects.exists()
    assert as_user(root).post(path, {"networks": HERE}).status_code == 302
