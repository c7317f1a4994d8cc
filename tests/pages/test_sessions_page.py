"""The list of privileged sessions: its tabs, whose sessions it shows, its toolbar, filters and download."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.catalogue.models import AccessPolicy
from sessions_app.privileged.models import ControlRequest, PrivilegedSession, Status
from tests.support import builders, pages

AsUser = Callable[[User], Client]
TABS = {
    "active": {"provisioning", "available", "logged_in", "locked", "canceling"},
    "scheduled": {"pending"},
    "historical": {"complete", "canceled", "denied", "failed", "approval_failed"},
}


def listed(client: Client, query: str = "") -> list[dict[str, str]]:
    response = client.get(f"/sessions/?{query}")
    assert response.status_code == 200
    return pages.table(pages.elements(response))


def ids(rows: list[dict[str, str]]) -> set[int]:
    return {int(row["id"].removeprefix("row-")) for row in rows}


def one_of_each(user: User) -> dict[str, PrivilegedSession]:
    return {status.value: builders.make_session(user, status) for status in Status}


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_holds_its_statuses_and_no_other(as_user: AsUser, alice: User, admin: User, tab: str) -> None:
    sessions = one_of_each(alice)
    assert ids(listed(as_user(admin), f"tab={tab}")) == {sessions[status].pk for status in TABS[tab]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", "6 sessions"), ("&status=denied", "2 sessions"), ("&whose=mine", "1 session"), ("&user=bob", "0 sessions")],
)
def test_ended_sessions_are_counted_as_they_are_listed(
    as_user: AsUser, alice: User, admin: User, query: str, expected: str
) -> None:
    one_of_each(alice)
    builders.make_session(admin, Status.DENIED)
    page = pages.elements(as_user(admin).get(f"/sessions/?tab=historical{query}"))
    assert len(page.findall(".//tbody/tr")) == int(expected.split()[0])
    assert pages.text(page.find(".//p[@id='count']/span")) == expected


def test_the_tabs_are_the_whole_status_table_without_what_waits_for_approval() -> None:
    listed_there = {status for statuses in TABS.values() for status in statuses}
    assert set(Status.values) - listed_there == {Status.WAITING}


def test_the_list_opens_with_active_and_everyones_for_an_administrator(
    as_user: AsUser, alice: User, admin: User
) -> None:
    builders.make_session(alice)
    builders.make_session(admin)
    page = pages.elements(as_user(admin).get("/sessions/"))
    assert pages.texts(page, ".//nav[@class]/a[@aria-current='page']") == ["Active", "All"]
    assert len(pages.table(page)) == 2


def test_mine_leaves_out_the_sessions_of_others(as_user: AsUser, alice: User, admin: User) -> None:
    builders.make_session(alice)
    own = builders.make_session(admin)
    assert ids(listed(as_user(admin), "whose=mine")) == {own.pk}


def test_a_user_sees_their_own_only(as_user: AsUser, alice: User, outsider: User) -> None:
    own = builders.make_session(alice)
    builders.make_session(outsider)
    client = as_user(alice)
    assert ids(listed(client)) == {own.pk}
    assert ids(listed(client, "whose=mine")) == {own.pk}
    refused = client.get("/sessions/?whose=all")
    assert refused.status_code == 403
    assert "Only administrators and auditors" in refused.content.decode()


def test_an_auditor_sees_everyones(as_user: AsUser, alice: User, auditor: User) -> None:
    session = builders.make_session(alice)
    assert ids(listed(as_user(auditor))) == {session.pk}


def row_element(client: Client, query: str, session: PrivilegedSession) -> ET.Element:
    page = pages.elements(client.get(f"/sessions/?{query}"))
    [row] = page.findall(f".//tr[@id='row-{session.pk}']")
    return row


def test_columns_are_those_of_the_seed(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice, Status.LOGGED_IN)
    builders.make_session(
        alice, Status.COMPLETE, notes="Broken disk", ticket_number="OPS-7", duration=dt.timedelta(minutes=3)
    )
    common = ["Requested", "User", "Host", "Login account", "Start", "End", "Status", "Activity"]
    [active] = listed(as_user(admin))
    assert list(active)[2:] == common
    assert active["User"] == "alice"
    assert active["Host"] == "web-1 Practice"
    assert active["Login account"] == "alice-adm"
    assert active["Status"] == "Logged In"
    assert session.start_at is not None
    assert f"{session.start_at:%Y-%m-%d %H:%M:%S}".endswith(active["Start"])  # without the date if it is today's
    assert active["End"].endswith(" min")
    [historical] = listed(as_user(admin), "tab=historical")
    shown = [column for column in common if column != "Login account"]  # as much as fits a screen of 1440 pixels
    assert list(historical)[2:] == [*shown, "Duration", "Ticket"]
    assert (historical["Duration"], historical["Ticket"]) == ("3 min 00 s", "OPS-7")
    page = pages.elements(as_user(admin).get("/sessions/?tab=historical"))
    assert {"Login account", "Notes"} <= set(pages.texts(page, ".//*[@id='columns-menu']//label"))


@pytest.mark.parametrize(
    ("column", "first"),
    [("requested", "old"), ("-requested", "new"), ("user", "old"), ("-host", "new"), ("status", "old"), ("end", "new")],
)
def test_the_list_is_sorted_by_the_heading(
    as_user: AsUser, alice: User, outsider: User, admin: User, column: str, first: str
) -> None:
    now = timezone.now()
    old = builders.make_session(
        alice, resource=builders.make_resource("a-host"), requested_at=now - dt.timedelta(days=1)
    )
    new = builders.make_session(
        outsider,
        Status.LOCKED,
        resource=builders.make_resource("b-host"),
        requested_at=now,
        end_at=now + dt.timedelta(minutes=1),
    )
    rows = listed(as_user(admin), f"sort={column}")
    assert rows[0]["id"] == f"row-{(old if first == 'old' else new).pk}"


def test_a_lock_says_whether_it_is_enforced_yet(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice, Status.LOCKED)
    control = ControlRequest.objects.create(session=session, kind="lock", requested_by=admin)
    [row] = listed(as_user(admin))
    assert row["Status"] == "Locked lock requested"
    control.enforced_at = timezone.now()
    control.save(update_fields=["enforced_at"])
    [row] = listed(as_user(admin))
    assert row["Status"] == "Locked enforced"


def test_a_session_that_cannot_be_cleaned_up_says_so_in_the_list(as_user: AsUser, alice: User, admin: User) -> None:
    builders.make_session(alice, Status.CANCELING, attempts=4, last_error="No route to host")
    [row] = listed(as_user(admin))
    assert row["Status"] == "Canceling stuck"


def test_rows_link_to_the_session_and_to_the_pages_that_the_viewer_may_open(
    as_user: AsUser, alice: User, admin: User
) -> None:
    session = builders.make_session(alice)
    AccessPolicy.objects.all().delete()

    def links_for(person: User) -> list[str]:
        cells = row_element(as_user(person), "", session).findall(".//td/a")
        return [urljoin("/sessions/", link.get("href") or "") for link in cells]

    assert links_for(admin) == [
        f"/sessions/{session.pk}/",
        f"/users/{alice.pk}/",
        f"/resources/{session.resource_id}/",
        f"/activities/{session.activity_id}/",
    ]
    assert links_for(alice) == [f"/sessions/{session.pk}/", f"/users/{alice.pk}/"]
    builders.make_policy(users=[alice])
    links = links_for(alice)
    assert f"/resources/{session.resource_id}/" in links
    assert f"/activities/{session.activity_id}/" in links
    for link in links:
        assert as_user(alice).get(link).status_code == 200


def test_a_row_links_to_its_session_from_every_list(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    for url in ("/sessions/", f"/users/{alice.pk}/?tab=sessions"):
        links = pages.elements(as_user(admin).get(url)).findall(".//tbody//a")
        assert f"/sessions/{session.pk}/" in {urljoin(url, link.get("href", "")) for link in links}


def test_the_toolbar_has_every_button_of_the_issue(as_user: AsUser, admin: User) -> None:
    builders.make_profile("With approval", tiers=[[admin]])
    page = pages.elements(as_user(admin).get("/sessions/?tab=historical"))
    toolbar = page.find(".//form[@id='selection']")
    assert toolbar is not None
    assert pages.texts(toolbar, "./a") == ["Request session"]
    assert pages.texts(toolbar, "./button") == [
        "End Session",
        "Lock",
        "Unlock",
        "Terminate",
        "View log",
        "Approve",
        "Deny",
        "Extend",
        "Relaunch",
    ]
    log_button = toolbar.find("./button[@data-verb='log']")
    assert log_button is not None
    assert log_button.get("formtarget") == "_blank"
    assert page.find(".//a[@id='refresh']") is not None
    assert page.find(".//a[@id='download']") is not None


def toolbar_of(client: Client, address: str = "/sessions/") -> list[str]:
    """Return what stands in the toolbar: the verbs, and first "request" where a session can be requested."""
    toolbar = pages.elements(client.get(address)).find(".//form[@id='selection']")
    assert toolbar is not None
    assert not [each for each in toolbar.iter() if each.get("aria-disabled")]
    verbs = [button.get("data-verb", "") for button in toolbar.findall("button")]
    return ["request", *verbs] if toolbar.find("a") is not None else verbs


def test_verbs_that_a_role_may_never_use_are_not_in_the_toolbar(as_user: AsUser, alice: User, auditor: User) -> None:
    assert toolbar_of(as_user(alice)) == ["request", "end", "log", "extend"]
    assert toolbar_of(as_user(alice), "/sessions/?tab=historical") == ["request", "end", "log", "extend", "relaunch"]
    assert toolbar_of(as_user(auditor)) == ["end", "log"]


def test_approve_and_deny_are_there_for_whom_an_approval_tier_names(
    as_user: AsUser, alice: User, outsider: User, admin: User, auditor: User
) -> None:
    team = Group.objects.create(name="Approving team")
    outsider.groups.add(team)
    profile = builders.make_profile("With approval", tiers=[[alice, auditor]])
    profile.tiers.get().groups.add(team)
    for person, expected in ((alice, True), (outsider, True), (admin, False), (auditor, False)):
        found = {"approve", "deny"} & set(toolbar_of(as_user(person)))
        assert found == ({"approve", "deny"} if expected else set()), person


def test_rows_carry_the_reasons_of_policy(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice, Status.LOCKED)
    refusals = pages.refusals(pages.elements(as_user(admin).get("/sessions/")), session.pk)
    assert refusals["lock"] == "This session is locked already."
    assert "unlock" not in refusals
    assert "end" not in refusals


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=web-2", {"b"}),
        ("q=alice+web", {"a"}),
        ("user=OUTSIDER", {"b"}),
        ("host=web-1", {"a"}),
        ("activity=reboot", {"b"}),
        ("status=locked", {"b"}),
        ("status=canceling", set()),
        ("requested_from=2026-03-02", {"b"}),
        ("requested_to=2026-03-01", {"a"}),
        ("requested_from=2026-03-01&requested_to=2026-03-01", {"a"}),
    ],
)
def test_search_and_filters_narrow_the_list(
    as_user: AsUser, alice: User, outsider: User, admin: User, query: str, expected: set[str]
) -> None:
    first = dt.datetime(2026, 3, 1, 23, 59, 59, tzinfo=dt.UTC)
    sessions = {
        "a": builders.make_session(alice, resource=builders.make_resource("web-1"), requested_at=first),
        "b": builders.make_session(
            outsider,
            Status.LOCKED,
            resource=builders.make_resource("web-2"),
            activity=builders.make_activity("Reboot"),
            requested_at=first + dt.timedelta(seconds=1),
        ),
    }
    assert ids(listed(as_user(admin), query)) == {sessions[name].pk for name in expected}


def test_days_are_those_of_the_viewers_zone(as_user: AsUser, alice: User) -> None:
    builders.make_session(alice, requested_at=dt.datetime(2026, 3, 1, 23, 30, tzinfo=dt.UTC))
    client = as_user(alice)
    assert listed(client, "requested_from=2026-03-02") == []
    client.cookies["timezone"] = "Europe/Zurich"
    [row] = listed(client, "requested_from=2026-03-02")
    assert row["Requested"] == "2026-03-02 00:30:00"


@pytest.mark.parametrize(
    "query",
    [
        "tab=everything",
        "whose=theirs",
        "sort=password",
        "status=nonsense",
        "requested_from=yesterday",
        "requested_to=9999-12-31",
        "requested_from=0001-01-01",
        "after=nonsense",
        "user=%00",
        "tab=%00",
        "colour=red",
        "tab=scheduled&status=pending",
    ],
)
def test_an_address_that_means_nothing_is_a_clear_400(as_user: AsUser, admin: User, query: str) -> None:
    client = as_user(admin)
    assert client.get(f"/sessions/?{query}").status_code == 400
    assert client.get(f"/sessions/?{query}", headers={"HX-Request": "true"}).status_code == 400


def test_nothing_is_changed_by_a_post(as_user: AsUser, admin: User) -> None:
    assert as_user(admin).post("/sessions/").status_code == 405


@pytest.mark.parametrize("tab", TABS)
def test_a_list_costs_the_same_queries_with_2_rows_and_200(
    as_user: AsUser, alice: User, approver: User, admin: User, tab: str
) -> None:
    statuses = [Status(status) for status in sorted(TABS[tab])]
    profile = builders.make_profile(tiers=[[approver]])

    def cost(user: User) -> int:
        client = as_user(user)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(f"/sessions/?tab={tab}").status_code == 200
        return len(captured)

    for number in range(2):
        builders.make_session(alice, statuses[number % len(statuses)], profile=profile)
    few = {user.username: cost(user) for user in (alice, approver, admin)}
    for number in range(198):
        session = builders.make_session(alice, statuses[number % len(statuses)], profile=profile)
        ControlRequest.objects.create(session=session, kind="lock")
    assert {user.username: cost(user) for user in (alice, approver, admin)} == few
    assert max(few.values()) <= 13


def test_the_download_holds_every_row_and_the_documented_columns(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(
        alice, Status.COMPLETE, notes="=HYPERLINK(1)", ticket_number="OPS-7", duration=dt.timedelta(minutes=3)
    )
    builders.make_session(alice, Status.AVAILABLE)
    response = as_user(admin).get("/sessions/?tab=historical&csv=1")
    assert response["Content-Disposition"].startswith('attachment; filename="sessions-historical-')
    header, row = csv.reader(io.StringIO(pages.streamed(response).decode()))
    assert header == [
        "Requested",
        "User",
        "Host",
        "Login account",
        "Start",
        "End",
        "Status",
        "Activity",
        "Duration",
        "Notes",
        "Ticket",
        "Number",
        "User now",
        "Requested by (now)",
        "Access policy",
        "Scheduled for",
        "Ended",
        "End reason",
        "Withdrawn",
    ]
    found = dict(zip(header, row, strict=True))
    assert found["Number"] == str(session.pk)
    assert dt.datetime.fromisoformat(found["Requested"]) == session.requested_at
    assert found["Requested"].endswith("+00:00")
    assert found["Duration"] == "180"
    assert found["Status"] == "complete"
    assert found["Notes"] == "'=HYPERLINK(1)"


def test_a_user_downloads_their_own_only(as_user: AsUser, alice: User, outsider: User) -> None:
    builders.make_session(outsider)
    response = as_user(alice).get("/sessions/?csv=1")
    assert len(pages.streamed(response).splitlines()) == 1


def test_the_fragment_is_the_list_alone_and_a_304_when_nothing_changed(
    as_user: AsUser, alice: User, admin: User
) -> None:
    builders.make_session(alice)
    client = as_user(admin)
    fragment = client.get("/sessions/", headers={"HX-Request": "true"})
    page = pages.elements(fragment)
    assert page.find(".//html") is None
    assert page.find(".//div[@id='results']") is not None
    etag = fragment["ETag"]
    same = client.get("/sessions/", headers={"HX-Request": "true", "If-None-Match": etag})
    assert same.status_code == 304
    builders.make_session(alice)
    assert client.get("/sessions/", headers={"HX-Request": "true", "If-None-Match": etag}).status_code == 200
