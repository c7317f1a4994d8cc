"""Nobody confirms by sending nothing, whatever ways to confirm they have."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.logins.models import LoginSession
from tests.support.factors import give_app, give_key


@pytest.mark.parametrize("has", ["password", "key", "app", "nothing"])
def test_an_empty_answer_confirms_nothing(alice: User, client: Client, has: str) -> None:
    if has == "key":
        give_key(alice)
    if has == "app":
        give_app(alice)
    if has == "nothing":
        alice.set_unusable_password()
        alice.save()
    client.force_login(alice)
    LoginSession.objects.update(confirmed_at=None)
    for sent in ({}, {"confirm-credential": ""}, {"confirm-code": ""}, {"confirm-password": ""}):
        assert client.post("/accounts/confirm/", sent).status_code == 422
    assert LoginSession.objects.get().confirmed_at is None
