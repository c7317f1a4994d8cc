"""Somebody who finds an open browser cannot guess its owner's password in the form that changes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins import authentication
from sessions_app.logins.models import LoginSession
from tests.support.builders import PASSWORD

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


def test_the_right_password_resets_the_count(as_user: AsUser, alice: User, settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT = 3
    client = as_user(alice)
    for old in ("wrong", "wrong", PASSWORD):
        answer = change(client, old)
    assert answer.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)


@pytest.mark.django_db(transaction=True)
def test_of_four_changes_at_once_with_the_same_old_password_one_wins(
    as_user: AsUser, alice: User, outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers, bystander = [as_user(alice) for _ in range(4)], as_user(outsider)
    together, confirm = threading.Barrier(4), authentication.confirm

    def confirmed_by_all(*args: Any) -> bool:
        try:
            return confirm(*args)
        finally:
            together.wait(20)  # nobody changes it before all four have shown that they know it

    monkeypatch.setattr(authentication, "confirm", confirmed_by_all)
    answers: dict[int, Any] = {}

    def send(number: int) -> None:
        new = f"{NEW} {number}"
        form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
        answers[number] = browsers[number].post(reverse("password_change"), form)
        connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status_code for answer in answers.values()) == [200, 200, 200, 302]
    [winner] = [number for number, answer in answers.items() if answer.status_code == 302]
    assert User.objects.get(pk=alice.pk).check_password(f"{NEW} {winner}")
    assert LogEntry.objects.filter(verb=Verb.PASSWORD_CHANGED).count() == 1
    for number, answer in answers.items():
        assert number == winner or "The password was changed a moment ago." in answer.content.decode()
    assert LoginSession.objects.live().filter(user=alice).count() == 1
    assert browsers[winner].get(reverse("account")).status_code == 200
    assert bystander.get(reverse("account")).status_code == 200
