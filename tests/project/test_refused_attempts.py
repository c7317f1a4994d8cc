"""What somebody was refused is in the log, with the outcome Denied, once, and without secrets or a flood."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.signing import dumps
from django.db import OperationalError
from django.test import Client

from activity import limits, once
from activity.models import Level, LogEntry, Outcome
from activity.once import LAST
from activity.verbs import Verb
from sessions_app.privileged.models import Status
from sessions_app.refused_attempts import MOST
from tests.support import builders

AsUser = Callable[[User], Client]
POSTS = (  # what outsider, who has no right to any of it, sends
    "/resources/{resource}/lock/",
    "/resources/add/",
    "/policies/add/",
    "/users/{alice}/lock/",
    "/users/{alice}/password/",
    "/sessions/do/lock/",
    "/sessions/do/end/",
    "/sessions/{session}/ticket/",
    "/sign-in/",
    "/logins/logout-everybody/",
    "/health/hosts/",
    "/scim-tokens/add/",
)
GETS = ("/users/", "/secrets/", "/sessions/{session}/", "/sessions/{session}/log/", "/users/{alice}/", "/health/")


def denied() -> list[LogEntry]:
    return list(LogEntry.objects.filter(verb=Verb.ACCESS_DENIED).order_by("pk"))


@pytest.fixture
def ids(alice: User) -> dict[str, int]:
    session = builders.make_session(alice, Status.AVAILABLE)
    return {"alice": alice.pk, "session": session.pk, "resource": session.resource_id}


@pytest.mark.parametrize("method", ["post", "get"])
def test_each_refused_attempt_leaves_one_entry(
    as_user: AsUser, outsider: User, ids: dict[str, int], method: str
) -> None:
    client = as_user(outsider)
    for number, address in enumerate(POSTS if method == "post" else GETS):
        path = address.format(**ids)
        for headers in ({}, {"HX-Request": "true"}):
            assert getattr(client, method)(path, {"ids": str(ids["session"])}, headers=headers).status_code in (
                403,
                404,
            ), path
        found = denied()
        assert len(found) == number + 1, path
        assert (found[-1].actor, found[-1].outcome) == (outsider, Outcome.DENIED)
        assert f"{method.upper()} {path.partition('?')[0]}" in found[-1].message
        assert found[-1].level == (Level.INFO if found[-1].details["status"] == 404 else Level.WARNING)


def test_what_a_flow_refuses_counts_though_the_answer_is_a_message(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice, Status.COMPLETE)
    as_user(admin).post("/sessions/do/lock/", {"ids": str(session.pk), "title": "Stop"})
    (entry,) = denied()
    assert "admin was refused POST /sessions/do/lock/." in entry.message
    assert entry.level == Level.WARNING


def test_what_is_allowed_and_what_is_typed_wrongly_is_no_refusal(as_user: AsUser, alice: User, admin: User) -> None:
    client = as_user(admin)
    for address in ("/users/", f"/users/{alice.pk}/", "/nothing/", "/activity/?sort=nonsense"):
        client.get(address)
    client.post("/resources/add/", {})
    assert denied() == []


def test_strangers_leave_no_entry(db: None) -> None:
    client = Client()
    for address in ("/users/", "/activity/", "/nothing/", "/accounts/not-me/nonsense/"):
        client.get(address)
        client.post(address)
    assert not LogEntry.objects.filter(verb=Verb.ACCESS_DENIED).exists()


def test_an_address_with_a_secret_is_not_kept(as_user: AsUser, alice: User) -> None:
    signed = dumps("secret", salt="another")
    as_user(alice).get(f"/accounts/not-me/{signed}/")
    assert not [entry for entry in denied() if signed in entry.message]


def test_a_person_leaves_at_most_so_many(as_user: AsUser, outsider: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions_app.refused_attempts.MOST", 3)
    client = as_user(outsider)
    for number in range(5):
        client.get(f"/sessions/{1000 + number}/")
    once.forget()
    client.get("/sessions/2000/")
    found = denied()
    assert len(found) == 3 < MOST
    assert [entry.message.endswith(LAST) for entry in found] == [False, False, True]


def test_a_limit_is_one_entry(as_user: AsUser, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    client = as_user(alice)
    monkeypatch.setattr(limits.requests, "refused", lambda who: 30)
    for address in ("/sessions/", "/activity/", "/sessions/"):
        assert client.get(address).status_code == 429
    (entry,) = denied()
    assert entry.message == "alice was refused more requests. They reached a limit of one person."


def test_in_an_outage_the_answer_is_the_same(
    as_user: AsUser, alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(*args: object, **more: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("sessions_app.refused_attempts.record_once", locked)
    assert as_user(alice).get("/users/").status_code == 403
    assert "Not in the activity log: alice was refused GET /users/." in caplog.text
