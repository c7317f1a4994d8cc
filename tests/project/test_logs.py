"""What the processes print: tracebacks for faults of ours, one line for a refusal, little for an outage that lasts."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from sessionadmin.logs import OVER_AFTER_SECONDS, REPEAT_SECONDS, BriefHandler

AsUser = Callable[[User], Client]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handler(clock: Clock) -> BriefHandler:
    return BriefHandler(clock)


@pytest.fixture
def printed(handler: BriefHandler) -> Any:
    """Return the stream to which the handler prints."""
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    stream = io.StringIO()
    handler.setStream(stream)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def say(error: Exception, message: str = "It did not work", **extra: Any) -> None:
    logging.getLogger("somebody").error(message, exc_info=error, extra=extra)


def test_ordinary_refusals_are_one_line_each(
    as_user: AsUser, alice: User, client: Client, printed: io.StringIO
) -> None:
    browser = as_user(alice)
    assert browser.get(reverse("health")).status_code == 403
    assert client.get("/", headers={"Host": "other.example"}).status_code == 400
    assert browser.get(reverse("sessions") + "?" + "&a=1" * 1100).status_code == 400
    forbidden, host, fields = printed.getvalue().splitlines()
    assert forbidden == (
        "WARNING Forbidden (Permission denied): /health/: PermissionDenied: Only administrators look at the health of "
        "the system"
    )
    assert host == (
        "ERROR Invalid HTTP_HOST header: 'other.example'. You may need to add 'other.example' to ALLOWED_HOSTS."
    )
    assert fields == "ERROR The number of GET/POST parameters exceeded settings.DATA_UPLOAD_MAX_NUMBER_FIELDS."


def test_a_fault_of_ours_keeps_its_traceback(printed: io.StringIO) -> None:
    say(ZeroDivisionError("a fault"), status_code=500)
    assert "ZeroDivisionError: a fault" in printed.getvalue()
    assert len(printed.getvalue().splitlines()) > 1


BUSY = "ERROR The database of the console is busy: OperationalError: database is locked. It did not work"


def test_an_outage_that_lasts_is_said_once_and_then_every_five_minutes_with_how_often(
    printed: io.StringIO, clock: Clock
) -> None:
    for _ in range(1000):
        say(OperationalError("database is locked"))
    say(OperationalError("database or disk is full"), "A pass failed")
    for _ in range(int(REPEAT_SECONDS / 10)):
        clock.now += 10
        say(OperationalError("database is locked"))
    assert printed.getvalue().splitlines() == [
        BUSY,
        "ERROR The disk of the console is full: OperationalError: database or disk is full. A pass failed",
        "WARNING Over: The disk of the console is full. It happened once, the last time 30 seconds ago",
        f"{BUSY} (This happened 1028 times more since the last line about it.)",
    ]


def test_the_end_of_an_outage_is_said_and_so_is_the_next_within_five_minutes(
    printed: io.StringIO, clock: Clock, handler: BriefHandler
) -> None:
    over = "WARNING Over: The database of the console is busy. It happened {}, the last time 30 seconds ago"
    for _ in range(3):
        say(OperationalError("database is locked"))
    clock.now += OVER_AFTER_SECONDS - 1
    handler.look()
    assert printed.getvalue().splitlines() == [BUSY]  # not yet
    clock.now += 1
    handler.look()
    handler.look()
    assert printed.getvalue().splitlines() == [BUSY, over.format("3 times")]
    say(OperationalError("database is locked"))
    clock.now += OVER_AFTER_SECONDS
    handler.look()
    assert printed.getvalue().splitlines()[2:] == [BUSY, over.format("once")]


def test_others_that_handle_a_record_get_it_whole(printed: io.StringIO, caplog: pytest.LogCaptureFixture) -> None:
    say(PermissionDenied("no"), status_code=403)
    assert caplog.records[-1].exc_info is not None


def test_a_line_holds_no_line_break_of_a_stranger(printed: io.StringIO) -> None:
    say(PermissionDenied("no\nERROR forged"), status_code=403)
    assert len(printed.getvalue().splitlines()) == 1
