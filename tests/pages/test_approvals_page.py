"""The inbox of approvals: what each role sees there, what a request says, and how it is decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from xml.etree import ElementTree as ET

from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.catalogue.models import ApprovalTier
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import Approval, PrivilegedSession, Status
from tests.support import builders, pages

AsUser = Callable[[User], Client]


def request_of(user: User, approvers: list[list[User]], name: str = "", **values: object) -> PrivilegedSession:
    profile = builders.make_profile(name or f"Approved {PrivilegedSession.objects.count()}", approvers)
    return builders.make_session(user, Status.WAITING, profile=profile, **values)


def inbox(client: Client) -> ET.Element:
    response = client.get("/approvals/")
    assert response.status_code == 200
    return pages.elements(response)


def requests(page: ET.Element, part: str = "waiting-for-you") -> list[int]:
    """Return the numbers of the requests in that part of the page, in order."""
    found = page.findall(f".//section[@id='{part}']//article")
    return [int(pages.attribute(each, "id").removeprefix("request-")) for each in found]


def card(page: ET.Element, session: PrivilegedSession) -> dict[str, str]:
    [article] = page.findall(f".//article[@id='request-{session.pk}']")
    facts = {pages.text(row.find("dt")): pages.text(row.find("dd")) for row in article.findall("./dl/div")}
    recent = [pages.text(row) for row in article.findall(".//li")]
    return facts | {"title": pages.text(article.find("h3")), "recent": "; ".join(recent)}


def test_a_request_says_who_wants_what_where_when_for_how_long_and_why(
    as_user: AsUser, alice: User, approver: User, outsider: User
) -> None:
    start = timezone.now().replace(microsecond=0) + dt.timedelta(days=1)
    session = request_of(
        alice,
        [[approver, outsider], [outsider]],
        notes="Broken disk",
        ticket_number="OPS-7",
        scheduled_for=start,
        maximum_duration=dt.timedelta(hours=2),
    )
    said = card(inbox(as_user(approver)), session)
    assert said["title"] == f"alice asks for Patch Linux on web-1 #{session.pk}"
    assert (said["Why"], said["Ticket"]) == ("Broken disk", "OPS-7")
    assert said["Start"].startswith("in ")
    assert said["For"] == "at most 2 h 00 min"
    assert said["Decide before"] == "in 59 min"
    assert said["Approvals"] == "Tier 1 of 2: 0 of 1"
    assert said["Other approvers"] == "outsider"


def test_progress_names_who_approved_and_counts_only_those_who_still_could(
    as_user: AsUser, alice: User, approver: User, outsider: User, admin: User
) -> None:
    bob = builders.make_user("bob")
    session = request_of(alice, [[approver, outsider, bob]])
    ApprovalTier.objects.update(required=3)
    for person in (outsider, bob):
        Approval.objects.create(session=session, tier=1, approver=person, is_approved=True)
    assert card(inbox(as_user(approver)), session)["Approvals"] == "2 of 3; approved by outsider, bob"
    lock_account(admin, bob, title="Gone")
    said = card(inbox(as_user(approver)), session)
    assert said["Approvals"] == "1 of 3; approved by outsider, bob"
    assert said["Other approvers"] == "Nobody else"


def test_members_of_a_group_are_approvers_and_many_are_counted(
    as_user: AsUser, alice: User, approver: User, auditor: User
) -> None:
    group = Group.objects.create(name="Leads")
    for name in ("ann", "ben", "cas", "dan", "eve", "fay", "gus"):
        builders.make_user(name).groups.add(group)
    approver.groups.add(group)
    auditor.groups.add(group)
    session = request_of(alice, [[]])
    ApprovalTier.objects.get().groups.add(group)
    assert card(inbox(as_user(approver)), session)["Other approvers"] == "ann, ben, cas, dan, eve and 2 more"


def test_the_last_five_sessions_of_the_person_on_that_resource_are_shown(
    as_user: AsUser, alice: User, outsider: User, approver: User, admin: User
) -> None:
    for number in range(6):
        builders.make_session(alice, Status.COMPLETE, activity=builders.make_activity(f"Work {number}"))
    builders.make_session(alice, Status.COMPLETE, resource=builders.make_resource("web-2"))
    builders.make_session(outsider, Status.COMPLETE)
    session = request_of(alice, [[approver]])
    page = inbox(as_user(approver))
    recent = card(page, session)["recent"].split("; ")
    assert [any(f"Work {number}" in line for line in recent) for number in range(6)] == [False, *[True] * 5]
    assert len(recent) == 5
    assert not page.findall(".//article//li/a")  # an approver may not open those sessions
    assert len(inbox(as_user(admin)).findall(".//article//li/a")) == 5


def test_each_role_sees_its_own_part(
    as_user: AsUser, alice: User, approver: User, outsider: User, auditor: User, admin: User
) -> None:
    first, second = request_of(alice, [[approver]]), request_of(alice, [[admin, auditor]])
    page = inbox(as_user(approver))
    assert (requests(page), requests(page, "waiting-for-others")) == ([first.pk], [])
    page = inbox(as_user(admin))
    assert (requests(page), requests(page, "waiting-for-others")) == ([second.pk], [first.pk])
    page = inbox(as_user(auditor))
    assert (requests(page), requests(page, "waiting-for-others")) == ([], [first.pk])
    assert not page.findall(".//article//button")
    page = inbox(as_user(alice))
    assert (requests(page), requests(page, "waiting-for-others")) == ([], [first.pk, second.pk])
    assert [pages.text(link) for link in page.findall(".//article//*[@class='actions']/a")] == ["Withdraw"] * 2
    page = inbox(as_user(outsider))
    assert (requests(page), requests(page, "waiting-for-others")) == ([], [])


def test_the_most_urgent_request_comes_first(as_user: AsUser, alice: User, approver: User) -> None:
    later, sooner = (
        request_of(alice, [[approver]], approval_deadline=timezone.now() + dt.timedelta(hours=hours))
        for hours in (3, 1)
    )
    assert requests(inbox(as_user(approver))) == [sooner.pk, later.pk]


def test_an_approver_decides_three_requests_with_a_form_each(as_user: AsUser, alice: User, approver: User) -> None:
    """Approve is one click. Deny is two: the link, and the button beside the reason."""
    client = as_user(approver)
    first, second, third = (request_of(alice, [[approver]]) for _ in range(3))
    for session in (first, second):
        page = inbox(client)
        [button] = page.findall(f".//article[@id='request-{session.pk}']//button")
        form = {each.get("name", ""): each.get("value", "") for each in page.findall(".//form[@id='decide']/input")}
        answer = client.post(button.get("formaction", ""), form | {button.get("name", ""): button.get("value", "")})
        assert (answer.status_code, answer["Location"]) == (302, "/approvals/#waiting-for-you")
    [deny] = inbox(client).findall(f".//article[@id='request-{third.pk}']//a[@data-verb='deny']")
    dialog = pages.elements(client.get(deny.get("href", "")))
    [asked] = [each for each in dialog.findall(".//form") if "/do/deny/" in each.get("action", "")]
    sent = {each.get("name", ""): each.get("value", "") for each in asked.findall(".//input")} | {"reason": "Not today"}
    assert client.post(asked.get("action", ""), sent)["Location"] == "/approvals/"
    assert requests(inbox(client)) == []
    statuses = [PrivilegedSession.objects.get(pk=one.pk).status for one in (first, second, third)]
    assert statuses == [Status.PROVISIONING, Status.PROVISIONING, Status.DENIED]


def test_the_old_address_leads_to_the_inbox(as_user: AsUser, alice: User) -> None:
    answer = as_user(alice).get("/sessions/?tab=approvals&sort=-requested")
    assert (answer.status_code, answer["Location"]) == (302, "/approvals/")
    assert "approvals" not in pages.texts(pages.elements(as_user(alice).get("/sessions/")), ".//nav[@class]/a")


def test_a_refresh_that_finds_nothing_new_has_no_body(as_user: AsUser, alice: User, approver: User) -> None:
    request_of(alice, [[approver]])
    client = as_user(approver)
    first = client.get("/approvals/", headers={"HX-Request": "true"})
    again = client.get("/approvals/", headers={"HX-Request": "true", "If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_it_costs_the_same_queries_for_two_and_for_twenty(as_user: AsUser, alice: User, approver: User) -> None:
    client = as_user(approver)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            inbox(client)
        return len(captured)

    def add(many: int) -> None:
        for _ in range(many):
            person = builders.make_user(f"user-{User.objects.count()}")
            builders.make_session(person, Status.COMPLETE)
            request_of(person, [[approver], [alice]])

    add(2)
    few = queries()
    add(18)
    assert len(requests(inbox(client))) == 20
    assert queries() == few
