"""What nobody types and somebody sends is refused with a clear answer, on every database, and breaks nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from activity.models import ListPreference
from tests.builders import make_session

AsUser = Callable[[User], Client]


def cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, 1]).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("user", "\ud800"),
        ("user", "\x00"),
        ("last_access", 10**30),
        ("user", {"a": 1}),
    ],
)
def test_a_cursor_that_somebody_made_up_is_refused(as_user: AsUser, alice: User, sort: str, value: Any) -> None:
    answer = as_user(alice).get(reverse("logins"), {"sort": sort, "after": cursor(value)})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        *[("ip", value) for value in ("abc", "::zz", 10**30, True)],
        ("last_access", "0001-01-01T00:00:00+14:00"),
        ("last_access", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_cursor_that_only_one_database_could_take_never_breaks_the_list(
    as_user: AsUser, alice: User, sort: str, value: Any
) -> None:
    answer = as_user(alice).get(reverse("logins"), {"sort": sort, "before": cursor(value)})
    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("next_url", ["foo", "user", "//evil.example/", "https://evil.example/", "javascript:alert(1)"])
def test_a_change_leads_to_a_path_of_ours_whatever_next_says(as_user: AsUser, admin: User, next_url: str) -> None:
    session = make_session(status="available")
    form = {"ids": session.pk, "title": "Locked", "next": next_url}
    answer = as_user(admin).post(reverse("session_action", args=["lock"]), form)
    assert (answer.status_code, answer["Location"]) == (302, reverse("home"))
    session.refresh_from_db()
    assert session.status == "locked"


@pytest.mark.parametrize("next_url", ["foo", "user", "//evil.example/"])
def test_saved_columns_lead_to_a_path_of_ours(as_user: AsUser, alice: User, next_url: str) -> None:
    answer = as_user(alice).post(reverse("save_columns", args=["logins"]), {"all": "ip", "next": next_url})
    assert (answer.status_code, answer["Location"]) == (302, reverse("home"))


@pytest.mark.parametrize("key", ["\x00", "\ud800", "a" * 41, "<b>"])
def test_widths_are_kept_for_columns_only(as_user: AsUser, alice: User, key: str) -> None:
    answer = as_user(alice).post(reverse("save_columns", args=["logins"]), {"widths": json.dumps({key: 100})})
    assert answer.status_code == 400
    assert not ListPreference.objects.exclude(widths={}).exists()


def test_hidden_columns_are_kept_by_their_keys_only(as_user: AsUser, alice: User) -> None:
    as_user(alice).post(reverse("save_columns", args=["logins"]), {"all": ["ip", "\x00", "<b>"], "shown": []})
    assert ListPreference.objects.get().hidden == ["ip"]
