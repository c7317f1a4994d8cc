"""One session's page: facts, approvals, controls, timeline, what may be done now; kept up to date by itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import ApprovalTier
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows.approve import approve
from sessions_app.privileged.flows.deny import deny
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import ENDED, Approval, ControlRequest, PrivilegedSession, Status
from tests.support import builders, pages
from tests.support.recordings import make_running

AsUser = Callable[[User], Client]
FACTS = ".//section[@aria-labelledby='facts-title']/dl"


def page_of(client: Client, session: PrivilegedSession) -> ET.Element:
    response = client.get(f"/sessions/{session.pk}/")
    assert response.status_code == 200
    return pages.elements(response)


def facts(page: ET.Element) -> dict[str, str]:
    return dict(zip(pages.texts(page, f"{FACTS}/dt"), pages.texts(page, f"{FACTS}/dd"), strict=True))


def section(page: ET.Element, title: str) -> str:
    return pages.text(page.find(f".//section[@aria-labelledby='{title}']"))


def test_the_facts_are_those_of_the_session(as_user: AsUser, alice: User, admin: User) -> None:
    policy = builders.make_policy(users=[alice])
    session = builders.make_session(
        alice, policy=policy, profile=policy.profile, notes="Broken disk", ticket_number="OPS-7", requested_by=admin
    )
    found = facts(page_of(as_user(alice), session))
    assert found["Status"] == "Available"
    assert found["User"] == "alice"
    assert found["Host"] == "web-1 Practice"
    assert found["Activity"] == "Patch Linux"
    assert found["Requested by"] == "admin"
    assert found["Login account"] == "alice-adm"
    assert found["Address"] == "web-1.example.com, port 22"
    assert found["At most"] == "2 h 00 min"
    assert found["Access policy"] == "Linux work"
    assert found["Notes"] == "Broken disk"
    assert found["Ticket"] == "OPS-7"
    assert session.end_at is not None
    assert f"{session.end_at:%Y-%m-%d %H:%M:%S}".endswith(found["End"])  # without the date if it is today's
    assert "Ended" not in found


def test_only_who_may_see_the_session_finds_its_page(
    as_user: AsUser, alice: User, outsider: User, approver: User, auditor: User, admin: User
) -> None:
    session = builders.make_session(alice, Status.WAITING, profile=builders.make_profile(tiers=[[approver]]))
    codes = {
        user: as_user(user).get(f"/sessions/{session.pk}/").status_code for user in (alice, approver, auditor, admin)
    }
    assert set(codes.values()) == {200}
    assert as_user(outsider).get(f"/sessions/{session.pk}/").status_code == 404
    assert as_user(admin).get("/sessions/999999/").status_code == 404
    assert as_user(admin).get(f"/sessions/{'9' * 40}/").status_code == 404


@pytest.mark.parametrize("status", Status)
def test_a_session_in_any_status_has_a_page(as_user: AsUser, alice: User, admin: User, status: Status) -> None:
    session = builders.make_session(alice, status)
    words = f"{status.label}, withdrawn before it began" if status == Status.COMPLETE else status.label
    assert facts(page_of(as_user(admin), session))["Status"] == words


def test_approvals_are_shown_by_tier_with_who_decided(
    as_user: AsUser, alice: User, approver: User, admin: User
) -> None:
    boss = builders.make_user("boss")
    profile = builders.make_profile(tiers=[[approver], [boss]])
    session = builders.make_session(alice, Status.WAITING, profile=profile)
    before = section(page_of(as_user(alice), session), "approvals-title")
    assert "Tier 1, being asked: 0 of 1 (approver)" in before
    assert "Tier 2, asked later: 0 of 1 (boss)" in before
    approve(approver, session, reason="Fine by me")
    session.refresh_from_db()
    between = section(page_of(as_user(alice), session), "approvals-title")
    assert "Tier 1, approved: 1 of 1" in between
    assert "approver approved at" in between
    assert "Fine by me" in between
    assert "Tier 2, being asked" in between
    deny(boss, session, reason="Not today")
    after = section(page_of(as_user(alice), session), "approvals-title")
    assert "Tier 2, denied" in after
    assert "Not today" in after


def test_a_decision_stays_when_the_profile_loses_its_tier(as_user: AsUser, alice: User, approver: User) -> None:
    profile = builders.make_profile(tiers=[[approver]])
    session = builders.make_session(alice, profile=profile)
    Approval.objects.create(session=session, tier=1, approver=approver, is_approved=True)
    ApprovalTier.objects.all().delete()
    shown = section(page_of(as_user(alice), session), "approvals-title")
    assert "no longer part of the profile" in shown
    assert "approver approved" in shown


def test_a_control_is_shown_as_requested_and_then_as_enforced(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    lock(admin, session, title="Strange commands", message="Call the desk")
    page = page_of(as_user(alice), session)
    assert "Strange commands: Call the desk" in pages.text(page)
    assert pages.controls(page)[0]["Host"] == "not enforced yet"
    ControlRequest.objects.update(attempts=2, last_error="No route to host")
    host = pages.controls(page_of(as_user(alice), session))[0]["Host"]
    assert host == "not enforced yet; 2 attempts failed: No route to host"
    when = timezone.now()
    ControlRequest.objects.update(enforced_at=when)
    assert pages.controls(page_of(as_user(alice), session))[0]["Host"] == f"since {when:%H:%M:%S}"


def test_how_many_extensions_are_left_is_said(as_user: AsUser, alice: User, admin: User) -> None:
    profile = builders.make_profile(extension_limit=3, extension_by=dt.timedelta(minutes=30))
    session = builders.make_session(alice, profile=profile, extensions=1)
    assert facts(page_of(as_user(alice), session))["Extensions"] == "2 of 3 left, 30 min each"
    ended = builders.make_session(alice, Status.COMPLETE, profile=profile, extensions=1)
    assert facts(page_of(as_user(alice), ended))["Extensions"] == "1 used"
    other = builders.make_session(alice, profile=builders.make_profile("Never", extension_limit=0))
    assert "Extensions" not in facts(page_of(as_user(alice), other))


def test_a_session_stuck_in_canceling_says_why_and_when_it_is_tried_again(
    as_user: AsUser, alice: User, admin: User
) -> None:
    then = timezone.now() + dt.timedelta(minutes=5)
    session = builders.make_session(
        alice, Status.CANCELING, attempts=7, last_error="No route to host", next_attempt_at=then
    )
    alert = pages.text(page_of(as_user(admin), session).find(".//*[@role='alert']"))
    assert "The rights could not be taken away yet" in alert
    assert "web-1 said: No route to host" in alert
    assert "7 attempts so far" in alert
    assert f"{then:%H:%M:%S}" in alert


def test_standing_locks_of_the_account_and_the_resource_are_told(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    AccountLock.objects.create(user=alice, title="Left the company", locked_by=admin)
    ResourceLock.objects.create(resource=session.resource, title="Maintenance", locked_by=admin)
    shown = pages.text(page_of(as_user(admin), session))
    assert "The account alice is locked: Left the company" in shown
    assert "web-1 takes no new sessions: Maintenance" in shown


def test_the_timeline_tells_the_log_in_order_with_who_did_it(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    log.record(Verb.SESSION_REQUESTED, "alice asked", actor=alice, target=session)
    log.record(Verb.CONNECTOR_STEP, "disk is full", target=session, level=Level.ERROR)
    log.record(Verb.LOG_VIEWED, "admin looked", actor=admin, target=session)
    log.record(Verb.SESSION_REQUESTED, "of another", actor=alice, target=builders.make_session(alice))
    timeline = page_of(as_user(alice), session).find(".//section[@aria-labelledby='timeline-title']")
    assert timeline is not None
    rows = pages.texts(timeline, ".//li")
    assert len(rows) == 2
    assert rows[0].endswith("alice asked alice")
    assert rows[1].endswith("Error: disk is full system")


def test_a_long_timeline_is_cut_and_leads_to_the_log(as_user: AsUser, alice: User) -> None:
    session = builders.make_session(alice)
    for number in range(51):
        log.record(Verb.CONNECTOR_STEP, f"step {number}", target=session)
    page = page_of(as_user(alice), session)
    timeline = page.find(".//section[@aria-labelledby='timeline-title']")
    assert timeline is not None
    rows = pages.texts(timeline, ".//li")
    assert len(rows) == 50
    assert "step 1 " in rows[0]
    assert "step 50" in rows[-1]
    assert timeline.find(f".//a[@href='/sessions/{session.pk}/log/']") is not None


def buttons(page: ET.Element) -> set[str]:
    return set(pages.texts(page, ".//*[@aria-label='Actions']/a"))


def primary(page: ET.Element) -> list[str]:
    return [pages.text(each) for each in page.iter() if "primary" in each.get("class", "").split()]


def test_buttons_are_those_that_are_allowed_and_the_rest_is_explained(
    as_user: AsUser, alice: User, auditor: User, admin: User
) -> None:
    session = builders.make_session(alice)
    for_admin = page_of(as_user(admin), session)
    assert buttons(for_admin) == {"End Session", "Lock", "Terminate"}
    assert impossible(for_admin)["Unlock"] == "This session is not locked."
    assert buttons(page_of(as_user(alice), session)) == {"End Session"}
    for_auditor = page_of(as_user(auditor), session)
    assert buttons(for_auditor) == set()
    assert list(impossible(for_auditor)) == ["End Session, Lock, Unlock, Terminate, Approve, Deny, Extend, Relaunch"]


def impossible(page: ET.Element) -> dict[str, str]:
    path = ".//*[@aria-label='What cannot be done now']"
    return dict(zip(pages.texts(page, f"{path}/dt"), pages.texts(page, f"{path}/dd"), strict=True))


def test_one_action_leads_the_page_for_whom_it_is_there(
    as_user: AsUser, alice: User, approver: User, auditor: User, admin: User
) -> None:
    host = builders.make_resource("ssh-1", connector="ssh")
    session = builders.make_session(alice, Status.LOGGED_IN, resource=host)
    clients = {user.username: as_user(user) for user in (alice, approver, auditor, admin)}

    def leads(name: str, one: PrivilegedSession) -> list[str]:
        return primary(page_of(clients[name], one))

    assert (leads("alice", session), leads("admin", session), leads("auditor", session)) == (["Connect"], [], [])
    running = make_running(session)
    assert (leads("alice", session), leads("admin", session), leads("auditor", session)) == (["Connect"], ["Watch"], [])
    watch = page_of(clients["auditor"], session).find(".//*[@aria-label='Actions']/a[@id='watch']")
    assert pages.attribute(watch, "href") == f"/recordings/{running.pk}/live/"
    waiting = builders.make_session(alice, Status.WAITING, profile=builders.make_profile(tiers=[[approver]]))
    assert [leads(name, waiting) for name in clients] == [[], ["Approve"], [], []]
    assert buttons(page_of(clients["approver"], waiting)) == {"Approve", "Deny"}
    for status in ENDED:
        assert leads("alice", builders.make_session(alice, status, resource=host)) == []


def test_the_time_left_is_a_bar_with_extend_beside_it(as_user: AsUser, alice: User, auditor: User) -> None:
    now = timezone.now()
    profile = builders.make_profile(extension_limit=3, extension_by=dt.timedelta(minutes=30))
    begin, end = now - dt.timedelta(minutes=30), now + dt.timedelta(minutes=72, seconds=30)
    session = builders.make_session(alice, profile=profile, extensions=1, start_at=begin, end_at=end)
    page = page_of(as_user(alice), session)
    bar = page.find(".//progress")
    assert bar is not None
    assert bar.get("aria-labelledby") == "time-left"
    assert 4300 < int(pages.attribute(bar, "value")) <= 4350 < int(pages.attribute(bar, "max")) == 6150
    assert pages.text(page.find(".//*[@id='time-left']")).startswith("1 h 12 min left, until ")
    assert pages.text(page.find(".//*[@class='time-left-extend']")) == "Extend by 30 min, 2 of 3 left"
    read = page_of(as_user(auditor), session).find(".//*[@class='time-left-extend hint']")
    assert pages.text(read) == "2 of 3 extensions left"
    assert page_of(as_user(alice), builders.make_session(alice, Status.COMPLETE)).find(".//progress") is None


def test_each_tab_has_an_address_and_leads_with_the_same_head(
    as_user: AsUser, alice: User, approver: User, auditor: User
) -> None:
    session = builders.make_session(alice, Status.LOGGED_IN)
    make_running(session)
    Approval.objects.create(session=session, tier=1, approver=approver, is_approved=True)
    client = as_user(auditor)
    for path, name in (("", "Overview"), ("connections/", "Terminal"), ("recordings/", "Recordings"), ("log/", "Log")):
        page = pages.elements(client.get(f"/sessions/{session.pk}/{path}"))
        tabs = page.find(".//nav[@aria-label='About this session']")
        assert tabs is not None
        assert pages.texts(tabs, "a") == ["Overview", "Terminal", "Recordings", "Log"]
        assert pages.texts(tabs, "a[@aria-current='page']") == [name]
        assert "Logged In" in pages.text(page.find(".//*[@data-status='logged_in']"))
    decided = page_of(as_user(approver), session)
    assert pages.texts(decided, ".//nav[@aria-label='About this session']/a") == ["Overview", "Terminal", "Log"]
    assert as_user(approver).get(f"/sessions/{session.pk}/recordings/").status_code == 403
    for path in ("connections", "recordings"):
        assert as_user(builders.make_user("outsider")).get(f"/sessions/{session.pk}/{path}/").status_code == 404


def test_a_lock_says_who_locked_and_when(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    lock(admin, session, title="Strange commands", message="Call the desk")
    when = ControlRequest.objects.get().requested_at
    said = pages.text(page_of(as_user(alice), session).find(".//*[@class='message warning']"))
    assert said == f"Locked by admin at {when:%H:%M:%S}: Strange commands: Call the desk"


def test_each_button_leads_to_its_dialog_and_comes_back_here(as_user: AsUser, alice: User) -> None:
    session = builders.make_session(alice)
    client = as_user(alice)
    link = page_of(client, session).find(".//a[@id='do-end']")
    assert link is not None
    assert link.get("href") == f"/sessions/do/end/?ids={session.pk}&next=%2Fsessions%2F{session.pk}%2F"
    assert link.get("hx-target") == "#dialog"
    assert client.get(pages.attribute(link, "href")).status_code == 200


def test_the_page_refreshes_itself_and_costs_a_304_when_nothing_changed(
    as_user: AsUser, alice: User, admin: User
) -> None:
    session = builders.make_session(alice)
    client = as_user(admin)
    full = client.get(f"/sessions/{session.pk}/")
    assert "HX-Request" in full["Vary"]
    results = pages.elements(full).find(".//div[@id='results']")
    address, etag = pages.attribute(results, "hx-get"), pages.attribute(results, "data-etag")
    asked = {"HX-Request": "true", "If-None-Match": f'"{etag}"'}
    assert client.get(address, headers=asked).status_code == 304
    lock(admin, session, title="Stop")
    changed = client.get(address, headers=asked)
    assert changed.status_code == 200
    fragment = pages.elements(changed)
    assert fragment.find(".//html") is None
    assert "Locked" in pages.text(fragment.find(".//div[@id='results']"))


def test_a_long_history_costs_the_same_queries(as_user: AsUser, alice: User, approver: User, admin: User) -> None:
    profile = builders.make_profile(tiers=[[approver], [admin]])
    session = builders.make_session(alice, profile=profile)
    client = as_user(admin)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            page_of(client, session)
        return len(captured)

    log.record(Verb.CONNECTOR_STEP, "one", target=session)
    few = cost()
    for number in range(40):
        user = builders.make_user(f"approver{number}")
        Approval.objects.create(session=session, tier=1, approver=user, is_approved=True)
        ControlRequest.objects.create(session=session, kind="lock", requested_by=user)
        log.record(Verb.CONNECTOR_STEP, "again", actor=user, target=session)
    # With approvals at all there is one query for their approvers, with requests one for their gateways.
    assert cost() <= few + 2


def test_hostile_text_is_shown_as_text(as_user: AsUser, alice: User) -> None:
    session = builders.make_session(alice, notes="<script>alert(1)</script>", lock_title="<b>")
    page = page_of(as_user(alice), session)
    assert facts(page)["Notes"] == "<script>alert(1)</script>"
    assert [script.text for script in page.iter("script") if script.text] == []
