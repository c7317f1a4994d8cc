"""/accounts/me/: what the console knows of the person who looks."""

from __future__ import annotations

import html
from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from sessions_app.privileged.flows.account import lock_account, unlock_account
from sessions_app.privileged.models import Status
from tests.support.builders import make_session

AsUser = Callable[[User], Client]


def test_the_account_page_shows_ones_role_browser_and_locks(alice: User, admin: User, as_user: AsUser) -> None:

    lock_account(admin, alice, title="Key lost", message="Come to room 12.")
    unlock_account(admin, alice)
    make_session(alice, Status.LOCKED, lock_title="Pause", lock_message="Back soon")
    text = html.unescape(as_user(alice).get("/accounts/me/").content.decode())
    for words in ("alice", "alice@example.com", "1 live", "Key lost", "Come to room 12.", "Pause", "Back soon"):
        assert words in text
    assert "<dt>Role</dt><dd>User</dd>" in text
    assert "<dt>Role</dt><dd>Administrator</dd>" in as_user(admin).get("/accounts/me/").content.decode()
