"""/accounts/me/: what the console knows of the person who looks."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from sessions_app.privileged.flows.account import lock_account, unlock_account
from sessions_app.privileged.models import Status
from tests.support import pages
from tests.support.builders import make_session

AsUser = Callable[[User], Client]


def test_the_account_page_shows_ones_role_browser_and_locks(alice: User, admin: User, as_user: AsUser) -> None:

    lock_account(admin, alice, title="Key lost", message="Come to room 12.")
    unlock_account(admin, alice)
    make_session(alice, Status.LOCKED, lock_title="Pause", lock_message="Back soon")
    page = pages.elements(as_user(alice).get("/accounts/me/"))
    text = pages.text(page)
    for words in ("alice", "alice@example.com", "1 live", "Key lost", "Come to room 12.", "Pause", "Back soon"):
        assert words in text
    assert pages.facts(page)["Role"] == "User"
    assert pages.facts(pages.elements(as_user(admin).get("/accounts/me/")))["Role"] == "Administrator"
