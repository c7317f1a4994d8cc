"""What must be true of a connection follows from the rows of its session, account, key and login."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from sessions_app.gateway.connection_state import ConnectionState
from sessions_app.gateway.enforcement import Disconnect, Freeze, decide
from sessions_app.gateway.models import ConnectionEnd, EntryPoint
from sessions_app.logins.models import EndReason
from sessions_app.privileged.models import Status

NOW = timezone.now()
GOOD = ConnectionState(
    connection_id=1,
    session_id=1,
    entry_point=EntryPoint.SSH,
    confirmed=0,
    is_frozen=False,
    newest=0,
    is_disconnect_requested=False,
    status=Status.LOGGED_IN,
    end_at=NOW + dt.timedelta(hours=1),
    end_reason="",
    lock_title="",
    lock_message="",
    can_extend=False,
    is_account_active=True,
    account_lock="",
    account_lock_message="",
    is_key_gone=False,
    login_end="",
)


def of(**changes: Any) -> Any:
    return decide(dataclasses.replace(GOOD, **changes), NOW)


def test_a_good_connection_goes_on() -> None:
    assert of() is None
    assert of(status=Status.AVAILABLE) is None


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"is_account_active": False}, ConnectionEnd.REVOKED),
        ({"account_lock": "Stop", "status": Status.LOCKED}, ConnectionEnd.REVOKED),
        ({"account_lock": "Stop", "is_disconnect_requested": True}, ConnectionEnd.REVOKED),
        ({"is_key_gone": True}, ConnectionEnd.REVOKED),
        ({"is_disconnect_requested": True}, ConnectionEnd.TERMINATED),
        ({"is_disconnect_requested": True, "status": Status.CANCELING}, ConnectionEnd.TERMINATED),
        ({"is_disconnect_requested": True, "status": Status.LOCKED}, ConnectionEnd.TERMINATED),
        ({"status": Status.CANCELING}, ConnectionEnd.ENDED),
        ({"status": Status.COMPLETE}, ConnectionEnd.ENDED),
        ({"end_at": NOW}, ConnectionEnd.ENDED),
        ({"end_at": None}, ConnectionEnd.ENDED),
        ({"status": Status.LOCKED, "end_at": NOW}, ConnectionEnd.ENDED),
    ],
)
def test_what_cuts(changes: dict[str, Any], end: ConnectionEnd) -> None:
    found = of(**changes)
    assert isinstance(found, Disconnect)
    assert found.end == end
    assert found.text


def test_a_lock_says_who_locked_where_that_is_known() -> None:
    locked = {"status": Status.LOCKED, "lock_title": "Stop", "lock_message": "Call us"}
    assert of(**locked, locked_by="admin") == Freeze(
        "Stop", "Call us", "Locked by admin. You can continue when an administrator unlocks it.", by="admin"
    )
    assert of(**locked) == Freeze("Stop", "Call us")


def test_whose_account_is_locked_reads_why() -> None:
    found = of(account_lock="Lost laptop", account_lock_message="Call 12.")
    assert isinstance(found, Disconnect)
    assert found.text == "Your account is locked: Lost laptop. Call 12."


@pytest.mark.parametrize("reason", EndReason)
def test_a_terminal_in_the_browser_ends_with_its_login(reason: EndReason) -> None:
    found = of(entry_point=EntryPoint.BROWSER, login_end=reason)
    assert isinstance(found, Disconnect)
    assert found.end == ConnectionEnd.LOGGED_OUT


@pytest.mark.parametrize("reason", EndReason)
def test_an_ssh_client_is_cut_when_somebody_ended_the_login_that_gave_its_password(reason: EndReason) -> None:
    somebody_did = reason in (EndReason.FORCED, EndReason.OTHERS, EndReason.PASSWORD, EndReason.NOT_ME)
    assert isinstance(of(login_end=reason), Disconnect) == somebody_did


def test_a_lock_freezes_with_its_text() -> None:
    found = of(status=Status.LOCKED, lock_title="Stop", lock_message="Call us")
    assert isinstance(found, Freeze)
    assert (found.title, found.message) == ("Stop", "Call us")
    assert of(status=Status.LOCKED) == Freeze("Locked", "")
