"""`sessionadmin create_first_admin`: one administrator for an empty console, and no back door into a full one."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.roles import ADMINISTRATORS, is_administrator
from tests.support.builders import make_admin, make_user

pytestmark = pytest.mark.django_db


def create(*arguments: str) -> str:
    out = StringIO()
    call_command("create_first_admin", *arguments, stdout=out)
    return out.getvalue()


def test_the_printed_password_lets_the_first_administrator_in() -> None:
    said = create()
    [password] = re.findall(r"Password: +(\S+)", said)
    assert len(password) >= 20
    client = Client()
    client.post("/accounts/login/", {"username": "admin", "password": password})
    assert client.get("/admin/")["Location"] == "/accounts/password/"
    own = "a phrase of my own 23"
    client.post("/accounts/password/", {"old_password": password, "new_password1": own, "new_password2": own})
    assert client.get("/admin/").status_code == 200
    user = User.objects.get()
    assert is_administrator(user)
    assert not user.is_superuser


def test_the_password_is_neither_logged_nor_the_same_twice() -> None:
    [password] = re.findall(r"Password: +(\S+)", create("--username", "boss"))
    assert password not in str(list(LogEntry.objects.values()))
    assert LogEntry.objects.filter(verb=Verb.ROLE_CHANGED, user__username="boss").exists()
    User.objects.update(is_active=False)
    assert password not in create("--username", "other")


@pytest.mark.parametrize("kind", ["member", "superuser"])
def test_it_refuses_when_there_is_an_administrator(kind: str) -> None:
    if kind == "member":
        make_admin("somebody")
    else:
        User.objects.create_superuser("root")
    with pytest.raises(CommandError, match="There is an administrator already"):
        create()
    assert User.objects.count() == 1


def test_it_does_not_raise_a_user_who_is_there() -> None:
    make_user("admin")
    with pytest.raises(CommandError, match="There is a user “admin” already"):
        create()
    assert not is_administrator(User.objects.get())
    assert "boss" in create("--username", "boss")


@pytest.mark.parametrize("name", ["", "a b", "x" * 151, "rm;-rf"])
def test_it_refuses_a_name_that_cannot_be(name: str) -> None:
    with pytest.raises(CommandError, match="cannot be a user name"):
        create("--username", name)
    assert not User.objects.exists()


def test_it_says_what_to_do_when_the_group_is_missing() -> None:
    Group.objects.filter(name=ADMINISTRATORS).delete()
    with pytest.raises(CommandError, match="Run `sessionadmin migrate`"):
        create()
