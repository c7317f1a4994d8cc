"""Who finds an open page cannot guess its owner's password where it is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from activity.models import LogEntry
from activity.verbs import Verb
from tests.builders import PASSWORD

AsUser = Callable[[User], Client]
NEW = "a longer way to say open sesame"


def change(client: Client, old: str) -> Any:
    return client.post(reverse("password_change"), {"old_password": old, "new_password1": NEW, "new_password2": NEW})


def test_wrong_old_passwords_are_logged_without_the_password(as_user: AsUser, alice: User) -> None:
    answer = change(as_user(alice), "not it at all")
    assert "old_password" in answer.context["form"].errors
    entry = LogEntry.objects.get(verb=Verb.LOGIN_FAILED)
    assert (entry.user_id, "not it at all" in f"{entry.message}{entry.details}") == (alice.pk, False)


def test_after_too_many_even_the_right_one_has_to_wait(as_user: AsUser, alice: User, settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT = 3
    client = as_user(alice)
    for _ in range(3):
        change(client, "wrong")
    answer = change(client, PASSWORD)
    assert "it was not changed" in answer.context["form"].errors["old_password"][0]
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert LogEntry.objects.filter(verb=Verb.LOGIN_THROTTLED).count() == 1


def test_the_right_one_forgets_the_wrong_ones(as_user: AsUser, alice: User, settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT = 3
    client = as_user(alice)
    for old in ("wrong", "wrong", PASSWORD):
        answer = change(client, old)
    assert answer.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)
