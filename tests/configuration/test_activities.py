"""Activities on the console's own form: what each kind of account needs, and what is checked before it is saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.verbs import Verb
from sessions_app.catalogue.models import Activity
from tests.support import pages
from tests.support.administration import last, said
from tests.support.builders import make_activity, make_session

ADD = "/activities/add/"
NEW = {
    "name": "Patch",
    "platform": "linux",
    "kind": "ephemeral",
    "login_account_template": "{user}-adm",
    "unix_groups": "adm",
    "sudo_rule": "ALL=(ALL) NOPASSWD: /usr/bin/apt-get",
    "shell": "/bin/bash",
    "is_active": "on",
}


def asked(response: Any) -> set[str]:
    return set(response.context["form"].fields) - {"name", "platform", "description", "is_active"}


def test_an_administrator_adds_an_activity(boss: Client) -> None:
    page = boss.post(ADD, NEW, follow=True)
    activity = Activity.objects.get()
    assert page.redirect_chain == [(activity.get_absolute_url(), 302)]
    assert "Added activity “Patch”." in said(page)
    assert f'href="/activities/{activity.pk}/change/"' in said(page)
    assert last(Verb.RECORD_ADDED).details["new"]["sudo_rule"] == NEW["sudo_rule"]


def test_the_form_asks_what_the_kind_of_account_needs(boss: Client, settings: Any) -> None:
    account, actions = {"kind", "login_account_template"}, {"grant_actions", "remove_actions"}
    on_host = account | {"unix_groups", "sudo_rule"}
    for sent, expected in (
        ({"kind": "ephemeral"}, on_host | {"shell"} | actions),
        ({"kind": "managed"}, on_host | actions),
        ({"kind": "commands"}, account | actions),
        ({"platform": "vault"}, set()),
    ):
        assert asked(boss.post(ADD, NEW | sent | {"_show": "1"})) == expected
    settings.IS_TRIAL = False
    assert asked(boss.get(ADD)) == on_host | {"shell"}
    assert asked(boss.get(f"/activities/{make_activity().pk}/change/")) == on_host | {"shell"} | actions


def test_an_activity_on_a_vault_has_no_account_of_its_own(boss: Client) -> None:
    assert boss.post(ADD, NEW | {"platform": "vault"}).status_code == 302
    activity = Activity.objects.get()
    assert (activity.login_account_template, activity.sudo_rule, activity.unix_groups) == ("{user}", "", "")


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("sudo_rule", {"sudo_rule": "ALL=(ALL NOPASSWD: ALL"}, "sudo does not accept this rule"),
        ("sudo_rule", {"sudo_rule": "ALL"}, "names hosts and commands"),
        ("unix_groups", {"unix_groups": "-G"}, "cannot be the name of a group"),
        ("shell", {"shell": "bash"}, "whole path of a shell"),
        ("login_account_template", {"login_account_template": "{name}-adm"}, "only the placeholders"),
        ("grant_actions", {"kind": "commands", "grant_actions": "/bin/echo 'x"}, "Line 1 cannot be read"),
        ("remove_actions", {"kind": "commands", "remove_actions": "/bin/true && /bin/false"}, "Line 1 has “&”"),
    ],
)
def test_what_would_fail_on_the_host_is_said_at_the_field(
    boss: Client, name: str, changes: dict[str, str], problem: str
) -> None:
    response = boss.post(ADD, NEW | changes)
    assert response.status_code == 422
    errors = response.context["form"].errors
    assert list(errors) == [name]
    assert problem in str(errors[name][0])
    assert changes[name] in said(response)
    assert not Activity.objects.exists()


def test_the_form_shows_what_a_template_of_accounts_makes(boss: Client) -> None:
    assert "alice on session 12 gets alice-adm" in said(boss.get(ADD))
    path = "/activities/login-account/"
    answers = {"net-{session}": "alice on session 12 gets net-12", "x y": "Use small letters", "": ""}
    for template, words in answers.items():
        assert said(boss.get(path, {"login_account_template": template})).startswith(words)


def test_the_sessions_that_a_change_ends_are_asked_about(boss: Client, alice: User) -> None:
    session = make_session(alice)
    path = f"/activities/{session.activity_id}/change/"
    sent = pages.fields(pages.elements(boss.get(path)), ".//form[@id='configuration']")
    del sent["is_active"]
    response = boss.post(path, sent)
    assert "This ends 1 open session" in said(response)
    assert Activity.objects.get().is_active
    agreed = pages.fields(pages.elements(response), f".//form[@action='{path}']")
    assert boss.post(path, agreed).status_code == 302
    assert not Activity.objects.get().is_active


def test_an_activity_in_use_is_not_deleted(boss: Client, alice: User) -> None:
    session = make_session(alice)
    assert "is used by 1 access policy" in said(boss.post(f"/activities/{session.activity_id}/delete/"))
    unused = make_activity("Unused")
    assert boss.post(f"/activities/{unused.pk}/delete/")["Location"] == "/activities/"
    assert not Activity.objects.filter(pk=unused.pk).exists()
