"""A cursor that somebody made up gets a page or a 400, in every order of every list."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db.models import DateTimeField, DurationField, Field, IntegerField
from django.test import Client

from activity.listing import BadListRequest, Listing, keyset, response
from activity.listing.keyset import Order, read_page
from sessions_app.gateway.recordings.models import RecordingText
from sessions_app.privileged.models import Status
from tests.support import builders, recordings

AsUser = Callable[[User], Client]

INTEGERS = [2**31, -(2**31) - 1, 2**63 - 1, -(2**63), 2**63, 10**30, -(10**30), 10**400]
TIMES = [
    *("0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+23:59", "0001-01-01"),
    *("9999-12-31T23:59:59.999999+00:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-23:59"),
    *("2026-01-01T00:00:00+15:59", "2026-01-01T00:00:00+16:00", "2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00"),
    *("2026-01-01T00:00:00-23:59", "2026-01-01T00:00:00+23:59:59.999999", "0000-01-01T00:00:00Z", "infinity", "now"),
]
DURATIONS = [
    *("P999999999DT23H59M59S", "-P999999999D", "P106751991DT4H54S", "P106751992D", "P1000000000D", "1e400", "00:00:00"),
    *("-00:00:01", "999999999 23:59:59.999999", "P99999999999999999999D"),
]
TEXTS = ["", "\x00", "a\x00b", "\ud800", "\udfff", "%", "'", "::", "::1", "1.2.3.4", "1.2.3.4/8", "x" * 60_000, "İ"]
OTHERS = [None, True, False, 0, -1, 0.5, 1e308, float("inf"), float("-inf"), float("nan"), [], [1], {}, {"a": 1}]
IDS: list[Any] = [0, -1, True, None, 0.5, "1", 2**63 - 1, -(2**63), 2**63, 10**30, [1], float("nan")]


def cursor(value: Any, pk: Any = 1) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, pk]).encode()).decode().rstrip("=")


TABS = ("sessions", "logins", "activity", "members")


@pytest.fixture
def lists(alice: User, admin: User) -> list[str]:
    """Return the address of every list of the console, after creating a row in each."""
    group = Group.objects.create(name="Operators")
    alice.groups.add(group)
    application = builders.make_application()
    builders.make_policy(users=[alice])
    session = builders.make_session(alice, Status.COMPLETE)
    for status in (Status.AVAILABLE, Status.PENDING, Status.WAITING):
        builders.make_session(alice, status)
    builders.make_login(alice)
    recording = recordings.make_running(session)
    RecordingText.objects.create(recording=recording, at=1.0, text="uname -a")
    people = [(f"/users/{alice.pk}/", 3), (f"/groups/{group.pk}/", 4), (f"/applications/{application.pk}/", 3)]
    return [
        "/activity/?",
        "/logins/?",
        *(f"/sessions/?tab={tab}&" for tab in ("active", "scheduled", "historical")),
        f"/sessions/{session.pk}/log/?",
        "/recordings/?",
        "/recordings/?q=uname&",
        *(f"/{name}/?" for name in ("resources", "activities", "profiles", "policies", "users", "groups")),
        "/applications/?",
        f"/resources/{session.resource_id}/?",
        *(f"{path}?tab={tab}&" for path, count in people for tab in TABS[:count]),
    ]


@pytest.fixture
def shown(lists: list[str], admin: User, monkeypatch: pytest.MonkeyPatch) -> dict[str, Listing]:
    """Return each list as its page reads it, by address. Check that no caller of list_response() is missing."""
    client = Client()
    found: dict[str, Listing] = {}
    made: list[Listing] = []

    class Kept(Listing):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(response, "Listing", Kept)
    client.force_login(admin)
    for address in lists:
        assert client.get(address).status_code == 200, address
        found[address] = made[-1]
    assert len(made) == len(lists)
    return found


def test_every_order_of_every_list_takes_or_refuses_whatever_a_cursor_holds(shown: dict[str, Listing]) -> None:
    tried = set()
    for address, listing in shown.items():
        for column in listing.table.columns:
            kind = (listing.queryset.model, column.order)
            if not column.order or kind in tried:
                continue
            tried.add(kind)
            hostile = [cursor(value) for value in values_for(listing, column.order)]
            for number, text in enumerate(hostile + [cursor(None, pk) for pk in IDS]):
                way = bool(number % 2)
                try_page(listing, column.order, text, is_descending=way, where=f"{address}sort={column.key}")
    assert len(tried) > 60


def values_for(listing: Listing, path: str) -> list[Any]:
    """Return all values that are hostile to a column of that kind, and some that are meant for others."""
    kinds: dict[type[Field[Any, Any]], list[Any]] = {
        IntegerField: INTEGERS,
        DateTimeField: TIMES,
        DurationField: DURATIONS,
    }
    field = keyset._field(listing.queryset, path)
    own = next((values for kind, values in kinds.items() if isinstance(field, kind)), TEXTS)
    return [*own, *OTHERS, *(values[0] for values in (INTEGERS, TIMES, DURATIONS, TEXTS))]


def try_page(listing: Listing, path: str, text: str, *, is_descending: bool, where: str) -> None:
    """Read it. A database that refuses says which value that was."""
    order = Order(path, is_descending=is_descending)
    after, before = ("", text) if is_descending else (text, "")
    try:
        read_page(listing.queryset, order, 1, after=after, before=before)
    except BadListRequest:
        return
    except Exception as error:
        error.add_note(f"{where}: {base64.urlsafe_b64decode(text + '==')[:80]!r}")
        raise


def test_the_page_of_such_a_cursor_is_an_answer(shown: dict[str, Listing], admin: User) -> None:
    client = Client()
    client.force_login(admin)
    values = itertools.cycle([2**63, "2026-01-01T00:00:00+23:59", "P999999999D", None])
    for address, listing in shown.items():
        for column in listing.table.columns:
            if column.order:
                value = next(values)
                answer = client.get(f"{address}sort={column.key}&after={cursor(value)}", headers={"HX-Request": "true"})
                assert answer.status_code in (200, 400), (address, column.key, value)


def test_a_cursor_of_a_search_is_read_as_carefully(as_user: AsUser, alice: User, admin: User) -> None:
    builders.make_session(alice, Status.COMPLETE)
    builders.make_login(alice)
    client = as_user(admin)
    for address, values in (
        ("/sessions/?tab=historical&q=patch&sort=requested", TIMES),
        ("/logins/?q=firefox&sort=last_access", TIMES),
        ("/activity/?activity=added&sort=at", TIMES),
        ("/activity/?activity=added&sort=level", INTEGERS),
        ("/sessions/?tab=historical&q=patch&sort=duration", DURATIONS),
    ):
        for value in values:
            answer = client.get(f"{address}&before={cursor(value)}")
            assert answer.status_code in (200, 400), (address, value)


@pytest.mark.parametrize("text", ["W10", "bnVsbA", "W1tdLDFd", "!!", "é", "A" * 100_000, "W251bGwsIDFdCg" * 2])
def test_what_is_no_cursor_at_all_is_refused(as_user: AsUser, alice: User, text: str) -> None:
    assert as_user(alice).get("/logins/", {"after": text}).status_code == 400
