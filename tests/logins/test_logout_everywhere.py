"""Administrators log out one person, a group or everybody else everywhere, in steps, and lock nobody."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.flows import logout_everywhere
from sessions_app.logins.models import EndReason, LoginSession, LogoutNote
from sessions_app.people.models import AccountLock
from tests.support.builders import make_login, make_user
from tests.support.pages import elements

AsUser = Callable[[User], Client]
EVERYBODY = "/logins/logout-everybody/"


def live() -> set[str]:
    """Return the names of those who are logged in."""
    return set(LoginSession.objects.live().values_list("user_name", flat=True))


def words(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", "".join(elements(response).itertext()))


@pytest.fixture
def group(alice: User, outsider: User) -> Group:
    group = Group.objects.create(name="Linux team")
    group.user_set.add(alice, outsider)
    return group


def test_a_person_is_logged_out_everywhere_and_reads_why(
    alice: User, outsider: User, admin: User, as_user: AsUser
) -> None:
    make_login(alice)
    make_login(outsider)
    victim, boss = as_user(alice), as_user(admin)
    url = f"/users/{alice.pk}/logout/"
    assert "2 browsers of 1 person" in words(boss, url)
    boss.post(url, {"reason": "Laptop stolen"})
    assert live() == {"outsider", "admin"}
    assert "Laptop stolen" in victim.get("/accounts/login/").content.decode()
    assert not AccountLock.objects.exists()
    assert LogEntry.objects.filter(verb=Verb.LOGOUT_FORCED, user=alice, actor=admin).count() == 2
    entry = LogEntry.objects.get(verb=Verb.LOGOUT_EVERYWHERE)
    assert (entry.target_id, entry.details) == (alice.pk, {"note": "Laptop stolen"})
    ended = LoginSession.objects.filter(user=alice).values_list("end_reason", "ended_by", "expires_at")
    assert set(ended) == {(EndReason.FORCED, admin.pk, None)}


def test_a_group_is_logged_out_without_who_asks(group: Group, admin: User, as_user: AsUser, approver: User) -> None:
    group.user_set.add(admin)
    for member in group.user_set.all():
        make_login(member)
    make_login(approver)
    boss = as_user(admin)
    url = f"/groups/{group.pk}/logout/"
    text = words(boss, url)
    assert "2 browsers of 2 people" in text
    assert "You stay logged in." in text
    boss.post(url, {"reason": ""})
    assert live() == {"approver", "admin"}
    assert LogEntry.objects.get(verb=Verb.LOGOUT_EVERYWHERE).target_name == "Linux team"


def test_everybody_else_is_logged_out_in_steps(
    alice: User, admin: User, as_user: AsUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logout_everywhere, "AT_ONCE", 3)
    boss = as_user(admin)
    make_login(admin)
    for number in range(12):
        make_login(make_user(f"person-{number}"))
    text = words(boss, EVERYBODY)
    assert "12 browsers of 12 people" in text
    assert "and 2 more people" in text
    answer = boss.post(EVERYBODY, {"reason": "An exercise"}, headers={"HX-Request": "true"})
    assert "12 sessions" in answer["HX-Trigger"]
    assert live() == {"admin"}
    assert LogoutNote.objects.filter(text="An exercise").count() == 12


def test_the_steps_cost_a_few_queries_each_and_not_some_for_each_login(
    alice: User, admin: User, as_user: AsUser
) -> None:
    boss = as_user(admin)

    def cost(count: int) -> int:
        for _ in range(count):
            make_login(alice)
        with CaptureQueriesContext(connection) as captured:
            boss.post(f"/users/{alice.pk}/logout/", {"reason": "x"})
        return len(captured)

    assert cost(90) <= cost(2) + 3  # SQLite takes some hundred values in one statement


def test_an_outage_says_that_some_are_left(
    alice: User, admin: User, as_user: AsUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **options: Any) -> int:
        raise OperationalError("database is locked")

    monkeypatch.setattr(logout_everywhere, "_end", broken)
    make_login(alice)
    answer = as_user(admin).post(f"/users/{alice.pk}/logout/", {"reason": ""}, follow=True)
    assert "Not all of alice were logged out." in answer.content.decode()
    assert "alice" in live()


def test_nobody_to_log_out_is_said(alice: User, admin: User, as_user: AsUser) -> None:
    assert "There is nothing to log out." in words(as_user(admin), f"/users/{alice.pk}/logout/")


def test_ones_own_account_leads_to_logout_everywhere_else(admin: User, as_user: AsUser) -> None:
    client = as_user(admin)
    assert client.get(f"/users/{admin.pk}/logout/")["Location"] == "/logins/logout-others/"
    assert client.post(f"/users/{admin.pk}/logout/")["Location"] == "/logins/logout-others/"
    assert "admin" in live()


@pytest.mark.parametrize("page", ["/users/{alice}/", "/groups/{group}/", "/logins/", "/logins/{login}/"])
def test_the_buttons_stand_where_they_are_looked_for(
    alice: User, group: Group, admin: User, auditor: User, as_user: AsUser, page: str
) -> None:
    path = page.format(alice=alice.pk, group=group.pk, login=make_login(alice).pk)

    def links(client: Client) -> set[str]:
        return {a.get("href") or "" for a in elements(client.get(path)).iter("a")}

    offered = {f"/users/{alice.pk}/logout/", f"/groups/{group.pk}/logout/", EVERYBODY}
    assert len(links(as_user(admin)) & offered) == 1
    assert not links(as_user(auditor)) & offered
