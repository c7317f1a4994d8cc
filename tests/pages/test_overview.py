"""The home page: by role, in parts that load apart, and the first steps of an empty installation."""

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
from sessions_app.catalogue.models import AccessPolicy, ConnectionProfile
from sessions_app.hosts.models import HostComparison, HostWatch
from sessions_app.pages.overview.views import PARTS
from sessions_app.privileged.models import ControlKind, ControlRequest, PrivilegedSession, Status
from tests.support import builders, pages
from tests.support.factors import give_app
from tests.support.recordings import make_recording

AsUser = Callable[[User], Client]
FRAGMENT = {"HX-Request": "true"}
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def used(alice: User) -> AccessPolicy:
    """Let the installation have a policy and a session, so that an administrator gets the overview."""
    policy = builders.make_policy(users=[alice])
    builders.make_session(alice, Status.COMPLETE, activity=policy.activities.get(), resource=policy.resources.get())
    return policy


def page(client: Client, path: str = "/") -> ET.Element:
    response = client.get(path)
    assert response.status_code == 200
    return pages.elements(response)


def part(client: Client, name: str) -> ET.Element:
    response = client.get(f"/overview/{name}/", headers=FRAGMENT)
    assert response.status_code == 200
    return pages.elements(response)


def lines(client: Client, name: str) -> list[str]:
    return pages.texts(part(client, name), ".//ul[@class='lines']/li")


def titles(client: Client) -> list[str]:
    return pages.texts(page(client), ".//section/h2")


def test_each_role_has_its_parts(
    as_user: AsUser, alice: User, approver: User, auditor: User, admin: User, used: AccessPolicy
) -> None:
    builders.make_profile("Approved", [[approver]])
    assert titles(as_user(alice)) == ["Your sessions", "Request again"]
    assert titles(as_user(approver)) == ["Waiting for your decision", "Your sessions", "Request again"]
    assert titles(as_user(auditor)) == ["Reviews due", "The last 7 days", "Downloads"]
    assert titles(as_user(admin))[0] == "Needs attention"
    assert len(titles(as_user(admin))) == 6


def test_an_approver_with_something_to_decide_lands_in_the_inbox(as_user: AsUser, alice: User, approver: User) -> None:
    session = builders.make_session(alice, Status.WAITING, profile=builders.make_profile(tiers=[[approver]]))
    assert as_user(approver).get("/")["Location"] == "/approvals/"
    assert len(lines(as_user(approver), "queue")) == 1
    PrivilegedSession.objects.filter(pk=session.pk).update(status=Status.CANCELED, ended_at=timezone.now())
    assert as_user(approver).get("/").status_code == 200


def test_the_page_asks_for_its_parts_and_links_to_them_without_javascript(
    as_user: AsUser, alice: User, used: AccessPolicy
) -> None:
    client = as_user(alice)
    sections = page(client).findall(".//section")
    links = [pages.attribute(each.find("h2/a"), "href") for each in sections]
    assert links == [pages.attribute(each.find("div"), "hx-get") for each in sections]
    assert pages.texts(page(client, links[0]), ".//h1") == ["Your sessions"]


def test_a_part_that_shows_nothing_new_has_no_body(as_user: AsUser, admin: User, used: AccessPolicy) -> None:
    client = as_user(admin)
    for name in ("ending", "live"):
        first = client.get(f"/overview/{name}/", headers=FRAGMENT)
        again = client.get(f"/overview/{name}/", headers=FRAGMENT | {"If-None-Match": first["ETag"]})
        assert (first.status_code, again.status_code) == (200, 304), name


def test_needs_attention_names_what_is_wrong(as_user: AsUser, alice: User, admin: User, used: AccessPolicy) -> None:
    stuck = builders.make_session(alice, Status.CANCELING, attempts=9, last_error="no route to host")
    locked = builders.make_session(alice, Status.LOCKED)
    ControlRequest.objects.create(session=locked, kind=ControlKind.LOCK, requested_at=timezone.now() - HOUR)
    HostWatch.objects.create(resource=builders.make_resource("db-1"), problem="does not answer")
    said = lines(as_user(admin), "attention")
    assert any("Worker: None is running" in line for line in said)
    assert any(f"Session {stuck.pk} on web-1: its rights are not taken away, tried 9 times" in line for line in said)
    assert any("Lock is not confirmed: Patch Linux on web-1 for alice" in line for line in said)
    assert any("db-1: does not answer" in line for line in said)
    assert any(line.startswith("Locked") for line in said)


def test_ends_soon_and_waiting_for_approval(
    as_user: AsUser, alice: User, approver: User, admin: User, used: AccessPolicy
) -> None:
    builders.make_session(alice, end_at=timezone.now() + HOUR / 2)
    builders.make_session(alice, end_at=timezone.now() + 3 * HOUR, resource=builders.make_resource("web-2"))
    builders.make_session(alice, Status.WAITING, profile=builders.make_profile(tiers=[[approver]]))
    assert lines(as_user(admin), "ending") == ["Patch Linux on web-1 for alice ends in 29 min"]
    assert lines(as_user(admin), "waiting") == ["Patch Linux on web-1 for alice decide in 59 min"]


def test_live_sessions_are_counted_back_from_now(as_user: AsUser, alice: User, admin: User, used: AccessPolicy) -> None:
    now = timezone.now()

    def session(began: float, ended: float | None = None) -> None:
        start = now - began * HOUR
        times = {"start_at": start, "end_at": now + HOUR}
        if ended is None:
            builders.make_session(alice, Status.AVAILABLE, **times)
        else:
            builders.make_session(alice, Status.COMPLETE, **times, ended_at=now - ended * HOUR)

    session(2.5)
    session(30, 4.5)
    session(5.5, 3.5)
    session(40, 30)
    PrivilegedSession.objects.filter(start_at=None).update(ended_at=now - HOUR)  # one that never began
    bars = part(as_user(admin), "live").findall(".//rect/title")
    counts = [int(pages.text(bar).rpartition(": ")[2]) for bar in bars]
    assert len(counts) == 24
    assert counts[-7:] == [1, 2, 1, 0, 1, 1, 1]
    assert counts[:17] == [1] * 17


def test_logins_by_country_and_refused_attempts(as_user: AsUser, admin: User, used: AccessPolicy) -> None:
    client = as_user(admin)
    for _ in range(2):
        builders.make_login()
    builders.make_login(created_at=timezone.now() - dt.timedelta(days=9), country="Iceland", country_code="IS")
    assert lines(client, "countries")[0] == "Switzerland 2"
    assert not any("Iceland" in line for line in lines(client, "countries"))
    log.record(Verb.LOGIN_FAILED, "A wrong password for mallory", level=Level.WARNING)
    refused = part(client, "refused")
    assert pages.text(refused.find(".//p")) == "Login failed: 1"
    assert "A wrong password for mallory" in pages.text(refused)


def test_an_auditor_reads_figures_downloads_and_what_nobody_has_opened(
    as_user: AsUser, alice: User, auditor: User
) -> None:
    client = as_user(auditor)
    session = builders.make_session(alice, Status.COMPLETE)
    recording = make_recording(session)
    HostComparison.objects.create(session=session, after_at=timezone.now(), news=[["new", "account", "evil", "x"]])
    figures = pages.facts(part(client, "figures"))
    assert (figures["Sessions requested"], figures["Sessions ended as Complete"]) == ("1", "1")
    said = lines(client, "reviews")
    assert "1 new on the host" in said[0]
    assert said[1].startswith("Not opened")
    client.get(f"/recordings/{recording.pk}/")
    assert len(lines(client, "reviews")) == 1
    pages.streamed(client.get("/activity/?csv=1"))
    assert len(lines(client, "exports")) == 1


def test_a_user_connects_sees_the_time_left_and_requests_again(
    as_user: AsUser, alice: User, outsider: User, used: AccessPolicy
) -> None:
    host = builders.make_resource("ssh-1", connector="ssh")
    session = builders.make_session(alice, resource=host, end_at=timezone.now() + HOUR)
    builders.make_session(alice, Status.COMPLETE, resource=host)
    builders.make_session(outsider, Status.AVAILABLE)
    client = as_user(alice)
    assert lines(client, "mine") == ["Available Patch Linux on ssh-1 for alice ends in 59 min Connect"]
    connect = part(client, "mine").find(".//a[@class='button']")
    assert pages.attribute(connect, "href") == f"/sessions/{session.pk}/terminal/"
    assert lines(client, "again") == ["Complete withdrawn Patch Linux on web-1 for alice Request again"]
    wizard = pages.attribute(part(client, "again").find(".//a[@class='button']"), "href")
    assert pages.text(page(client, wizard).find(".//li[@aria-current='step']")) == "Details"


def test_each_part_costs_the_same_queries_for_two_and_for_twenty(
    as_user: AsUser, alice: User, approver: User, auditor: User, admin: User, used: AccessPolicy
) -> None:
    profile = builders.make_profile("Approved", [[approver]])

    def add(many: int) -> None:
        for _ in range(many):
            builders.make_session(alice, Status.WAITING, profile=profile)
            locked = builders.make_session(alice, Status.LOCKED)
            ControlRequest.objects.create(session=locked, kind=ControlKind.LOCK, requested_at=timezone.now() - HOUR)
            builders.make_session(alice, Status.CANCELING, attempts=9)
            builders.make_session(alice, end_at=timezone.now() + HOUR / 2)
            make_recording(builders.make_session(alice, Status.COMPLETE))

    def queries() -> dict[str, int]:
        found = {}
        who = {"administrator": admin, "auditor": auditor, "approver": approver, "user": alice}
        for name, each in PARTS.items():
            client = as_user(who[each.roles[-1]])
            with CaptureQueriesContext(connection) as captured:
                part(client, name)
            found[name] = len(captured)
        return found

    add(2)
    few = queries()
    add(9)
    assert queries() == few


def steps(client: Client) -> dict[str, str]:
    """Return each first step with "done", "next" or ""."""
    return {
        pages.text(each.find(".//h2")).removesuffix(" Done"): "done"
        if "done" in each.get("class", "").split()
        else "next"
        if each.get("aria-current")
        else ""
        for each in page(client).findall(".//ol[@class='first-steps']/li")
    }


def test_an_empty_installation_shows_an_administrator_what_to_do_next(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    assert [name for name, state in steps(client).items() if state] == ["Change your password"]
    log.record(Verb.PASSWORD_CHANGED, "Password of admin was changed", user=admin)
    assert steps(client)["Set up a second factor"] == "next"
    give_app(admin)
    assert steps(client)["Add people"] == "next"
    alice = builders.make_user()
    assert steps(client)["Add a host"] == "next"
    host = builders.make_resource("web-1", connector="ssh")
    assert steps(client)["Test the connection to it"] == "next"
    log.record(Verb.HOST_CHECKED, "It works", target=host)
    assert steps(client)["Add an activity"] == "next"
    builders.make_activity()
    [add] = page(client).findall(".//li[@aria-current='step']//a[@class='button primary']")
    assert pages.text(add) == "Working day"
    assert pages.attribute(add, "href").endswith("?template=working-day")
    builders.make_profile()
    assert steps(client)["Add an access policy"] == "next"
    builders.make_policy(users=[alice], profile=ConnectionProfile.objects.get())
    assert steps(client)["Request a session"] == "next"
    builders.make_session(alice, Status.COMPLETE)
    assert page(client).find(".//ol[@class='first-steps']") is None


def test_every_button_of_the_first_steps_leads_somewhere(as_user: AsUser, admin: User) -> None:
    builders.make_resource("web-1", connector="ssh")
    client = as_user(admin)
    links = [pages.attribute(each, "href") for each in page(client).findall(".//ol[@class='first-steps']//a")]
    assert len(links) == 11
    assert [client.get(link).status_code for link in links] == [200] * 11


def test_nobody_else_gets_the_first_steps(as_user: AsUser, alice: User, auditor: User) -> None:
    for person in (alice, auditor):
        assert page(as_user(person)).find(".//ol[@class='first-steps']") is None


def test_an_administrator_is_never_told_to_ask_one(as_user: AsUser, admin: User, outsider: User) -> None:
    assert "Ask an administrator" not in pages.text(page(as_user(admin), "/sessions/request/"))
    assert "Ask an administrator" in pages.text(page(as_user(outsider), "/sessions/request/"))


def test_empty_lists_say_what_goes_there_and_link_to_the_form_for_who_may(
    as_user: AsUser, alice: User, auditor: User, admin: User
) -> None:
    def empty(person: User, path: str) -> tuple[str, list[str]]:
        box = page(as_user(person), path).find(".//div[@class='empty']")
        assert box is not None
        links = [link.get("href", "") for link in box.findall(".//a")]
        return pages.text(box), [link for link in links if not link.startswith("/help/")]

    for path in ("/sessions/", "/sessions/?tab=scheduled", "/sessions/?tab=historical"):
        assert empty(alice, path)[1] == ["/sessions/request/"]
        assert empty(auditor, path)[1] == []
    assert "until its rights are taken away" in empty(alice, "/sessions/")[0]
    assert empty(admin, "/recordings/")[1] == ["/profiles/"]
    assert empty(alice, "/recordings/")[1] == []


@pytest.mark.parametrize(("led_here", "leads_to"), [("/", "/"), ("//elsewhere.example/", "/accounts/me/")])
def test_who_changed_the_password_goes_on_with_the_first_steps(
    as_user: AsUser, admin: User, led_here: str, leads_to: str
) -> None:
    admin.set_password("Old-Horse-Battery-1")
    admin.save()
    client = as_user(admin)
    [first, *_] = page(client).findall(".//ol[@class='first-steps']//a")
    assert pages.attribute(first, "href") == "/accounts/password/?next=/"
    form = pages.elements(client.get(f"/accounts/password/?next={led_here}")).find(".//main//form")
    assert form is not None
    new = "New-Horse-Battery-2"
    sent = {"old_password": "Old-Horse-Battery-1", "new_password1": new, "new_password2": new}
    assert client.post(pages.attribute(form, "action"), sent)["Location"] == leads_to
