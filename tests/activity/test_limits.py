"""Limits of one person: requests in a minute, downloads and live views at a time, requests for sessions. Who is over
one is told with a 429; nobody else notices."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache, caches
from django.core.signals import request_finished
from django.db import OperationalError, close_old_connections, connection, connections
from django.test import Client

from activity import limits
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.privileged.models import PrivilegedSession
from tests.support import builders, pages
from tests.support.recordings import make_recording, make_running, pieces_address

AsUser = Callable[[User], Client]
CSV = "/activity/?csv=1"


@pytest.fixture(params=["memory", "database"])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """Run a test with the cache of one process, and with the one that the processes of production share."""
    if request.param == "database":
        caches["shared"].clear()
        monkeypatch.setattr(limits, "cache", caches["shared"])


def refusal(response: Any) -> str:
    """Return the text of a 429, and check that it says when to try again."""
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert response["Cache-Control"] == "no-store"
    problem = pages.elements(response).find(".//div[@class='problem']")
    assert problem is not None
    return pages.text(problem)


def break_off(response: Any) -> None:
    """Close a response, as the server does when the reader is gone, but keep the test's database connection."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


# Requests


def test_more_requests_than_a_minute_may_have_are_told_and_others_go_on(
    alice: User, outsider: User, as_user: AsUser, settings: Any, shared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PAGE_REQUESTS_LIMIT = 100
    monkeypatch.setattr(limits, "PER_SECOND", 0)  # a busy machine is no part of this
    monkeypatch.setattr(time, "time", lambda: 1_800_000_010.0)  # never at the turn of a minute
    client = as_user(alice)
    for _ in range(2 * limits.MOST_UNSHARED):
        assert client.get("/alive/").status_code == 200
    said = refusal(client.get("/activity/"))
    assert "Your pages asked the console for more than 100 answers within a minute" in said
    assert "Nothing was changed. Go on in 50 seconds" in said
    part = client.get("/sessions/", headers={"HX-Request": "true"})
    assert part.status_code == 429
    assert b"<html" not in part.content
    assert as_user(outsider).get("/activity/").status_code == 200
    monkeypatch.setattr(time, "time", lambda: 1_800_000_061.0)
    assert client.get("/activity/").status_code == 200


def test_what_stops_something_is_done_all_the_same(admin: User, as_user: AsUser, settings: Any, alice: User) -> None:
    settings.PAGE_REQUESTS_LIMIT = 1
    session = builders.make_session(alice)
    client = as_user(admin)
    for _ in range(limits.MOST_UNSHARED):
        client.get("/alive/")
    assert client.get("/activity/").status_code == 429
    ended = client.post("/sessions/do/terminate/", {"ids": session.pk, "reason": "now", "next": "/"})
    assert ended.status_code == 302
    assert client.post(f"/users/{alice.pk}/lock/", {"title": "Stop", "message": "Stop", "next": "/"}).status_code != 429
    assert client.post("/accounts/logout/").status_code == 302


def test_a_slow_request_counts_as_many(shared: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_010.0)
    one, other = limits.Requests(), limits.Requests()  # two processes
    for _ in range(5):
        one.note(1, 2.0, limit=400)  # 41 each
        other.note(1, 2.0, limit=400)
    one.note(1, 2.0, limit=400)
    assert one.refused(1) == 50
    assert one.refused(2) == 0
    one.note(2, 3600.0, limit=400)  # one request that waited for a lock is no flood
    assert one.refused(2) == 0


def test_without_its_cache_the_console_limits_nobody(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError("no cache")

    monkeypatch.setattr(limits, "cache", Gone())
    assert limits.count("session-requests", alice.pk, 1, 0, 600) is None
    slot = limits.take("download", alice.pk, 1)
    assert slot is not None
    slot.release()
    assert limits.hold("live", alice.pk, "one", 0)


# Places


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_an_answer_does_not_wait_until_a_busy_database_counts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    class Cache:
        def add(self, *args: Any) -> None:
            with connection.cursor() as cursor:
                waits.append(cursor.execute("PRAGMA busy_timeout").fetchone()[0] / 1000)
            raise OperationalError("database is locked")

    monkeypatch.setattr(limits, "cache", Cache())
    limits.Requests().note(7, 45.0, 600)  # a form that waited for the database all the time
    assert waits == [limits.CACHE_WAIT_SECONDS]


def test_the_third_download_of_a_person_is_told_and_others_download(
    admin: User, auditor: User, as_user: AsUser, shared: None, settings: Any
) -> None:
    settings.DOWNLOADS_LIMIT = 2
    client = as_user(admin)
    running = [client.get(CSV) for _ in range(2)]
    assert [one.status_code for one in running] == [200, 200]
    for address in (CSV, "/sessions/?csv=1", f"/recordings/{make_recording().pk}/cast/"):
        said = refusal(client.get(address))
        assert "2 of your downloads are running, which is as many as one person may have at a time." in said
        assert "Nothing was downloaded." in said
    assert client.get("/activity/").status_code == 200
    assert b"".join(as_user(auditor).get(CSV)).startswith(b"ID,")
    break_off(running[0])
    b"".join(running[1])  # read to its end
    again = [client.get(CSV) for _ in range(2)]
    assert [one.status_code for one in again] == [200, 200]
    for one in again:
        break_off(one)


def test_a_recording_and_what_was_typed_take_a_place_until_they_are_sent(
    admin: User, as_user: AsUser, settings: Any
) -> None:
    settings.DOWNLOADS_LIMIT = 2
    client, recording = as_user(admin), make_recording()
    files = [client.get(f"/recordings/{recording.pk}/cast/") for _ in range(2)]
    assert "2 of your downloads" in refusal(client.get(CSV))
    for file in files:
        break_off(file)
    assert client.get(CSV).status_code == 200


def test_a_place_is_kept_while_it_is_used_and_free_soon_after_its_process_died(
    shared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SLOT_SECONDS", 2)
    monkeypatch.setattr(limits.keeper, "keep", lambda slot: None)  # its process is killed
    lost = limits.take("download", 1, 1)
    assert lost is not None
    assert limits.take("download", 1, 1) is None
    deadline = time.monotonic() + 10
    while limits.take("download", 1, 1) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    stored = limits.take("download", 2, 1)
    assert stored is not None
    for _ in range(4):
        time.sleep(0.7)
        stored.renew()
    assert limits.take("download", 2, 1) is None


def test_places_are_renewed_while_they_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RENEW_EVERY", 0.05)
    renewed: list[str] = []
    monkeypatch.setattr(limits.Slot, "renew", lambda self: renewed.append(self.what))
    monkeypatch.setattr(connections, "close_all", lambda: None)
    keeper, slot = limits.Keeper(), limits.Slot("key", "what")
    keeper.keep(slot)
    deadline = time.monotonic() + 10
    while len(renewed) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    keeper.drop(slot)
    while keeper._is_running:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_of_live_views_so_many_may_be_open_and_the_next_is_told(
    admin: User, auditor: User, as_user: AsUser, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LIVE_VIEWS_LIMIT = 2
    client = as_user(admin)
    first, second, third = (make_running() for _ in range(3))
    address = pieces_address(client, first.pk)
    assert client.get(f"/recordings/{second.pk}/live/").status_code == 200
    said = refusal(client.get(f"/recordings/{third.pk}/live/"))
    assert "You watch 2 sessions live, which is as many as one person may at a time." in said
    assert client.get(f"{address}&after=-1").status_code == 200  # those that are open go on
    assert as_user(auditor).get(f"/recordings/{third.pk}/live/").status_code == 200
    # Closed, the second is over after a while; the first still asks.
    monkeypatch.setattr(limits, "SLOT_SECONDS", 1)
    limits.forget()
    deadline = time.monotonic() + 10
    cache.clear()
    assert client.get(f"{address}&after=-1").status_code == 200
    while client.get(f"/recordings/{third.pk}/live/").status_code == 429:
        assert time.monotonic() < deadline


# Requests for sessions


@pytest.fixture
def policy(alice: User, approver: User) -> AccessPolicy:
    """Let alice work on web-1 if approver approves."""
    return builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[approver]]))


def ask(client: Client, policy: AccessPolicy) -> Any:
    sent = {
        "activity": policy.activities.get().pk,
        "resources": policy.resources.get().pk,
        "notes": "the disk is full",
        "ticket_number": "",
        "when": "now",
        "start_at": "",
    }
    review = client.post("/sessions/request/", {**sent, "do": "review"})
    token = pages.elements(review).find(".//input[@name='token']")
    assert token is not None
    return client.post("/sessions/request/", {**sent, "do": "send", "token": token.get("value")})


@pytest.mark.django_db(transaction=True)
def test_asking_and_withdrawing_again_and_again_does_not_flood_the_approvers(
    alice: User, policy: AccessPolicy, as_user: AsUser, settings: Any, shared: None
) -> None:
    settings.SESSION_REQUESTS_LIMIT = 3
    client = as_user(alice)
    for _ in range(3):
        assert ask(client, policy).status_code == 302
        session = PrivilegedSession.objects.latest("pk")
        client.post("/sessions/do/end/", {"ids": session.pk, "next": "/"})
    assert len([letter for letter in mail.outbox if letter.to == ["approver@example.com"]]) == 3
    refused = ask(client, policy)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    page = pages.elements(refused)
    assert "You asked for sessions 3 times within 10 minutes" in pages.text(page)
    assert "Nothing was requested." in pages.text(page)
    notes = page.find(".//textarea[@name='notes']")
    assert notes is not None
    assert pages.text(notes) == "the disk is full"  # what was typed stays
    assert PrivilegedSession.objects.count() == 3
    assert len([letter for letter in mail.outbox if letter.to == ["approver@example.com"]]) == 3
    # Somebody else asks as before.
    bob = builders.make_user("bob")
    policy.users.add(bob)
    assert ask(as_user(bob), policy).status_code == 302


def test_what_policy_refuses_is_not_counted(alice: User, policy: AccessPolicy, as_user: AsUser, settings: Any) -> None:
    settings.SESSION_REQUESTS_LIMIT = 1
    client = as_user(alice)
    assert ask(client, policy).status_code == 302
    assert ask(client, policy).status_code in (422, 429)  # there is one already
    assert PrivilegedSession.objects.count() == 1
