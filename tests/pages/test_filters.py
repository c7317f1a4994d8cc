"""Filters of lists: "is not", whole names, chips, filters of one click, and the names that are suggested."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.models import Level, LogEntry
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, pages
from tests.support.entries import ago, make_entry

AsUser = Callable[[User], Client]


def hosts(client: Client, query: str) -> set[str]:
    response = client.get(f"/sessions/?{query}")
    assert response.status_code == 200, response.content.decode()
    return {row["Host"].removesuffix(" Practice") for row in pages.table(pages.elements(response))}


@pytest.fixture
def three(alice: User, outsider: User) -> list[PrivilegedSession]:
    return [
        builders.make_session(alice, resource=builders.make_resource("web-1")),
        builders.make_session(outsider, resource=builders.make_resource("web-10")),
        builders.make_session(alice, Status.LOCKED, resource=builders.make_resource("db-1")),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("host=web-1", {"web-1", "web-10"}),  # as ever, a part of the name
        ("host=WEB-1&host_is=exactly", {"web-1"}),
        ("host=web-1&host_is=not", {"db-1"}),
        ("host=web-1&host_is=not-exactly", {"web-10", "db-1"}),
        ("status=locked&status_is=not", {"web-1", "web-10"}),
        ("user=alice&user_is=not", {"web-10"}),
        ("user=alice&user_is=exactly", {"web-1", "db-1"}),
        ("user=alice&user_is=not-exactly&activity=patch", {"web-10"}),
        ("status=locked&status_is=not&host=web-1&host_is=not", set()),
        ("host_is=not", {"web-1", "web-10", "db-1"}),  # what is not narrowed cannot be turned around
    ],
)
def test_what_a_filter_can_say(
    as_user: AsUser, admin: User, three: list[PrivilegedSession], query: str, found: set[str]
) -> None:
    assert hosts(as_user(admin), query) == found


@pytest.mark.parametrize("query", ["status_is=exactly", "status=locked&status_is=x", "requested_from_is=not"])
def test_what_a_filter_cannot_say_is_refused(as_user: AsUser, admin: User, query: str) -> None:
    assert as_user(admin).get(f"/sessions/?{query}").status_code == 400


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/users/?role=user&role_is=not", {"admin", "auditor"}),
        ("/users/?group=%s&group_is=not", {"alice", "auditor"}),
        ("/users/?state=active&state_is=not", set()),
    ],
)
def test_roles_groups_and_states_of_people_can_be_left_out(
    as_user: AsUser, admin: User, auditor: User, alice: User, address: str, shown: set[str]
) -> None:
    address = address % admin.groups.get().pk if "%s" in address else address
    assert {row["User"] for row in pages.table(pages.elements(as_user(admin).get(address)))} == shown


def test_the_log_leaves_out_people_levels_and_verbs_and_so_do_its_download_and_its_chart(
    as_user: AsUser, auditor: User, alice: User, outsider: User
) -> None:
    make_entry("by alice", ago(hours=1), actor=alice, user=alice)
    make_entry("about alice", ago(hours=1), actor=outsider, user=alice)
    make_entry("by the system", ago(hours=1), level=Level.WARNING)
    client = as_user(auditor)

    def messages(query: str) -> set[str]:
        return made & {row["Message"] for row in pages.table(pages.elements(client.get(f"/activity/?{query}")))}

    made = {"by alice", "about alice", "by the system"}  # what the fixtures did is in the log too
    assert messages("user=alice&user_is=not") == {"by the system"}
    assert messages("level=problems&level_is=not") == {"by alice", "about alice"}
    assert messages("level=info&level_is=not") == {"by the system"}
    verb = LogEntry.objects.get(message="by alice").verb
    assert messages(f"verb={verb}") == made
    assert messages(f"verb={verb}&verb_is=not") == set()
    lines = pages.streamed(client.get("/activity/?user=alice&user_is=not&csv=1")).decode()
    assert "by alice" not in lines
    assert "by the system" in lines
    chart = client.get("/activity/chart/?level=problems&level_is=not").content.decode()
    others = LogEntry.objects.filter(level__lt=Level.WARNING).count()
    assert f"Entries in the last 7 days: {others}" in chart


def test_the_summary_counts_the_sessions_of_everybody_else(
    as_user: AsUser, auditor: User, alice: User, outsider: User
) -> None:
    for user in (alice, outsider, outsider):
        builders.make_session(user, Status.LOGGED_IN, start_at=ago(hours=2), end_at=ago(hours=-2))
    page = pages.elements(as_user(auditor).get("/activity/summary/?user=alice&user_is=not"))
    assert pages.facts(page)["Sessions"] == "2"
    assert "Sessions of all but alice started in the last 7 days" in pages.texts(page, ".//h2")


def test_each_active_filter_is_a_chip_that_can_be_turned_around_and_removed(
    as_user: AsUser, admin: User, three: list[PrivilegedSession]
) -> None:
    client = as_user(admin)
    page = pages.elements(
        client.get("/sessions/?status=locked&status_is=not&host=web&requested_from=2026-01-31&sort=user")
    )
    chips = page.findall(".//li[@class='chip']")
    assert [pages.text(chip) for chip in chips] == [
        "Host contains web ×",
        "Requested from 2026-01-31 ×",
        "Status is not Locked ×",
    ]
    turn, remove = chips[2].findall("button")
    assert (turn.get("form"), turn.get("name"), turn.get("value")) == ("filters", "status_is", "")
    assert (remove.get("name"), remove.get("value")) == ("status", "")
    assert remove.get("aria-label") == "Remove the filter Status is not Locked"
    assert pages.text(page.find(".//*[@id='filter-count']")) == "3"
    assert pages.attribute(page.find(".//*[@id='clear-filters']"), "href") == "/sessions/?"
    # Without JavaScript the value of the button comes after that of the field, and counts.
    assert hosts(client, "status=locked&status_is=not&status_is=") == {"db-1"}
    assert hosts(client, "status=locked&status=") == {"web-1", "web-10", "db-1"}
    assert not pages.elements(client.get("/sessions/")).findall(".//li[@class='chip']")


def test_chips_say_the_words_of_choices_and_escape_what_was_typed(as_user: AsUser, admin: User) -> None:
    group = admin.groups.get()
    page = pages.elements(as_user(admin).get(f"/users/?group={group.pk}"))
    assert pages.texts(page, ".//li[@class='chip']") == ["Group is Administrators ×"]
    text = as_user(admin).get("/sessions/", {"host": "<b>web</b>"}).content.decode()
    assert "<b>web" not in text


# --- suggestions


def names(client: Client, kind: str, text: str = "") -> list[str]:
    response = client.get(f"/sessions/names/{kind}/", {kind: text})
    assert response.status_code == 200
    return [option.attrib["value"] for option in pages.elements(response).iter("option")]


def test_names_are_suggested_from_everything_to_those_who_see_everything(
    as_user: AsUser, admin: User, alice: User, three: list[PrivilegedSession]
) -> None:
    client = as_user(admin)
    assert names(client, "host", "WEB") == ["web-1", "web-10"]
    assert names(client, "activity") == ["Patch Linux"]
    assert "alice" in names(client, "user", "ali")
    assert client.get("/sessions/names/secret/").status_code == 404


def test_others_are_suggested_the_names_of_their_own_sessions(
    as_user: AsUser, alice: User, three: list[PrivilegedSession]
) -> None:
    client = as_user(alice)
    assert names(client, "host") == ["db-1", "web-1"]
    assert names(client, "host", "10") == []
    assert names(client, "user") == ["alice"]


def test_suggestions_are_few_and_cost_the_same_queries_for_any_number(
    as_user: AsUser, alice: User, admin: User, three: list[PrivilegedSession]
) -> None:
    def cost(client: Client) -> int:
        with CaptureQueriesContext(connection) as captured:
            names(client, "host")
        return len(captured)

    clients = [as_user(alice), as_user(admin)]
    few = [cost(client) for client in clients]
    for number in range(40):
        builders.make_session(alice, Status.COMPLETE, resource=builders.make_resource(f"host-{number}"))
    assert [cost(client) for client in clients] == few
    assert [len(names(client, "host")) for client in clients] == [20, 20]
