"""What nobody types and somebody sends is refused with a clear answer, on every database, and breaks nothing."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from activity.models import ListPreference
from sessions_app.models import LoginSession, Status
from tests.builders import make_login, make_session, make_user

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
    session = make_session(status=Status.AVAILABLE)
    form = {"ids": session.pk, "title": "Locked", "next": next_url}
    answer = as_user(admin).post(reverse("session_action", args=["lock"]), form)
    assert (answer.status_code, answer["Location"]) == (302, reverse("home"))
    session.refresh_from_db()
    assert session.status == Status.LOCKED


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


@pytest.mark.parametrize(
    "key", ['"aaaaaaaaaa\\000aaaaaaaaaaaaaaaaaaaaa"', "'; DROP TABLE x; --aaaaaaaaaaa", "a" * 9000]
)
@pytest.mark.django_db
def test_a_made_up_session_cookie_is_a_stranger(client: Client, key: str) -> None:
    answer = client.get(reverse("sessions"), headers={"Cookie": f"sessionid={key}"})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, reverse("login"))


@pytest.mark.django_db
def test_nobody_fills_the_disk_with_uploads(client: Client) -> None:
    form = {"username": "alice", "password": "x", "file": io.BytesIO(b"x" * 10)}
    answer = client.post(reverse("login"), form)
    assert answer.status_code in (400, 413)


def test_what_was_done_to_many_fits_the_headers_of_an_answer(as_user: AsUser, admin: User) -> None:
    logins = [make_login(make_user(f"{number:03}-{'x' * 140}")) for number in range(60)]
    client = as_user(admin)
    answer = client.post(
        reverse("logins_logout"), {"ids": [login.pk for login in logins]}, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 204
    assert len(answer["HX-Trigger"]) < 4000
    said = json.loads(answer["HX-Trigger"])["done"]["messages"]
    assert said[-1] == ["success", "And 53 more like these."]
    assert not LoginSession.objects.live().exclude(user=admin).exists()
