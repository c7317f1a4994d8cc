"""Asking for sessions: four steps without JavaScript, prefilled links, clear refusals; sent twice asks once."""

from __future__ import annotations

import datetime as dt
import threading
import time
import zoneinfo
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Activity, ConnectionProfile, Resource
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.privileged import request_token
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, pages

AsUser = Callable[[User], Client]
WIZARD = "/sessions/request/"


@pytest.fixture
def policy(alice: User) -> AccessPolicy:
    """Let alice run "Patch Linux" on web-1 and web-2."""
    return builders.make_policy(
        users=[alice], resources=[builders.make_resource("web-1"), builders.make_resource("web-2")]
    )


def draft(policy: AccessPolicy, *names: str, **values: Any) -> dict[str, Any]:
    activity = policy.activities.get()
    resources = policy.resources.filter(name__in=names or ["web-1"])
    return {"activity": activity.pk, "resources": [resource.pk for resource in resources], **values}


def details(policy: AccessPolicy, *names: str, **values: Any) -> dict[str, Any]:
    return draft(policy, *names, notes="", ticket_number="", when="now", start_at="", do="review", **values)


def page_of(response: Any, status: int = 200) -> ET.Element:
    assert response.status_code == status
    return pages.elements(response)


def step(page: ET.Element) -> str:
    return pages.text(page.find(".//ol[@class='steps']/li[@aria-current='step']"))


def review(client: Client, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the form on the review page, ready to be sent."""
    page = page_of(client.post(WIZARD, {**sent, "do": "review"}))
    assert step(page) == "Review"
    return {**pages.fields(page, ".//main//form[@method='post']"), "do": "send"}


def problems(page: ET.Element) -> list[str]:
    return pages.texts(page, ".//*[@class='problem']") + pages.texts(page, ".//ul[@class='errorlist']/li")


def test_the_whole_way_with_links_and_forms_only(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    first = page_of(client.get(WIZARD))
    assert step(first) == "Activity"
    activity = pages.attribute(first.find(".//input[@name='activity']"), "value")
    second = page_of(client.get(WIZARD, {"activity": activity, "step": "resources"}))
    assert step(second) == "Resources"
    boxes = [pages.attribute(box, "value") for box in second.findall(".//input[@name='resources']")]
    assert len(boxes) == 2
    third = page_of(client.get(WIZARD, {"activity": activity, "resources": boxes, "step": "details"}))
    assert step(third) == "Details"
    sent = {**pages.fields(third, ".//main//form[@method='post']"), "notes": "Broken disk", "do": "review"}
    fourth = page_of(client.post(WIZARD, sent))
    assert step(fourth) == "Review"
    shown = pages.text(fourth.find(".//main"))
    for expected in ("Patch Linux", "web-1", "web-2", "Broken disk", "Linux work", "2 h 00 min", "not needed"):
        assert expected in shown
    assert not PrivilegedSession.objects.exists()
    done = client.post(WIZARD, {**pages.fields(fourth, ".//main//form[@method='post']"), "do": "send"}, follow=True)
    sessions = PrivilegedSession.objects.order_by("resource_name")
    assert [(each.resource_name, each.notes, each.user, each.status) for each in sessions] == [
        ("web-1", "Broken disk", alice, Status.PROVISIONING),
        ("web-2", "Broken disk", alice, Status.PROVISIONING),
    ]
    assert done.redirect_chain == [("/sessions/?tab=active", 302)]
    assert "Requested Patch Linux on web-1 for alice: it is being provisioned." in done.content.decode()


def test_one_session_leads_to_its_page(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    response = client.post(WIZARD, review(client, details(policy)))
    assert response["Location"] == f"/sessions/{PrivilegedSession.objects.get().pk}/"


def test_only_what_a_policy_gives_is_offered(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    builders.make_policy(
        "Of others", activities=[builders.make_activity("Reboot")], resources=[builders.make_resource("db-1")]
    )
    builders.make_resource("web-2", is_active=False)
    Resource.objects.filter(name="web-2").update(is_active=False)
    client = as_user(alice)
    assert "Reboot" not in client.get(WIZARD).content.decode()
    second = page_of(client.get(WIZARD, draft(policy, step="resources")))
    assert [pages.text(each) for each in second.findall(".//label[@class='choice']")] == ["web-1 web-1.example.com"]


def test_who_has_no_policy_is_told_whom_to_ask(as_user: AsUser, outsider: User) -> None:
    shown = pages.text(page_of(as_user(outsider).get(WIZARD)))
    assert "No access policy gives outsider any activity. Ask an administrator" in shown


def test_an_activity_that_is_not_given_is_refused_by_name_of_the_person(
    as_user: AsUser, outsider: User, policy: AccessPolicy
) -> None:
    for response in (
        as_user(outsider).get(WIZARD, draft(policy)),
        as_user(outsider).post(WIZARD, details(policy, token="x", do_="x") | {"do": "send"}),
    ):
        page = page_of(response)
        assert step(page) == "Activity"
        assert problems(page) == ["No access policy gives outsider that activity. Choose another."]
    assert not PrivilegedSession.objects.exists()


def test_a_resource_that_is_not_given_is_left_out_and_said(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    foreign = builders.make_resource("db-1")
    sent = details(policy)
    sent["resources"].append(foreign.pk)
    page = page_of(as_user(alice).post(WIZARD, sent))
    assert step(page) == "Resources"
    assert "one of the chosen resources; left out" in problems(page)[0]


def test_a_prefilled_link_opens_the_details_and_the_steps_lead_back(
    as_user: AsUser, alice: User, policy: AccessPolicy
) -> None:
    client = as_user(alice)
    page = page_of(client.get(WIZARD, draft(policy, "web-1", "web-2")))
    assert step(page) == "Details"
    sent = pages.fields(page, ".//main//form[@method='post']")
    ways = [button.get("value", "") for button in page.findall(".//ol[@class='steps']/li/button")]
    first, second = (page_of(client.post(WIZARD, sent | {"do": way}, follow=True)) for way in ways)
    assert step(first) == "Activity"
    assert first.findall(".//input[@name='activity'][@checked]")
    assert step(second) == "Resources"
    assert len(second.findall(".//input[@name='resources'][@checked]")) == 2


def test_no_resource_chosen_says_so(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    sent: dict[str, Any] = {"activity": policy.activities.get().pk, "chosen": "1", "step": "details"}
    page = page_of(as_user(alice).get(WIZARD, sent))
    assert step(page) == "Resources"
    assert problems(page) == ["Choose at least one resource."]


def test_the_search_keeps_what_is_ticked(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    page = page_of(as_user(alice).get(WIZARD, draft(policy, "web-1", step="resources", q="web-2")))
    assert [pages.text(each).split()[0] for each in page.findall(".//label[@class='choice']")] == ["web-1", "web-2"]
    assert len(page.findall(".//input[@name='resources'][@checked]")) == 1


@pytest.mark.parametrize(("field", "setting"), [("notes", "notes_required"), ("ticket_number", "ticket_required")])
def test_what_the_profile_requires_is_marked_and_named(as_user: AsUser, alice: User, field: str, setting: str) -> None:
    required: dict[str, Any] = {setting: True}
    profile = builders.make_profile("Strict", **required)
    policy = builders.make_policy(users=[alice], profile=profile)
    client = as_user(alice)
    page = page_of(client.get(WIZARD, draft(policy)))
    marked = page.find(f".//*[@name='{field}'][@required]")
    assert marked is not None
    refused = page_of(client.post(WIZARD, details(policy)), 422)
    assert step(refused) == "Details"
    assert problems(refused) == ["The connection profile Strict requires this field."]
    sent = review(client, details(policy) | {field: "OPS-7"})
    client.post(WIZARD, sent)
    assert getattr(PrivilegedSession.objects.get(), field) == "OPS-7"


def test_a_date_is_read_in_the_viewers_zone(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    client.cookies["timezone"] = "Asia/Tokyo"
    tomorrow = (timezone.now() + dt.timedelta(days=1)).astimezone(zoneinfo.ZoneInfo("Asia/Tokyo"))
    sent = details(policy) | {"when": "later", "start_at": f"{tomorrow:%Y-%m-%dT%H:%M}"}
    page = page_of(client.post(WIZARD, sent))
    assert f"{tomorrow:%Y-%m-%d %H:%M} (Asia/Tokyo)" in pages.text(page)
    client.post(WIZARD, review(client, sent))
    session = PrivilegedSession.objects.get()
    assert session.status == Status.PENDING
    assert session.scheduled_for == tomorrow.replace(second=0, microsecond=0)


@pytest.mark.parametrize(
    ("start_at", "reason"),
    [
        ("", "Enter the date and time when it should start."),
        ("tomorrow", "Enter a valid date/time."),
        ("2020-01-01T10:00", "The start must be in the future."),
        ("2999-01-01T10:00", "at most one year ahead"),
        ("9999-12-31T23:59", "at most one year ahead"),
        ("0001-01-01T00:00", "The start must be in the future."),
    ],
)
def test_a_date_that_cannot_be_is_named(
    as_user: AsUser, alice: User, policy: AccessPolicy, start_at: str, reason: str
) -> None:
    client = as_user(alice)
    client.cookies["timezone"] = "Pacific/Kiritimati"
    sent = details(policy) | {"when": "later", "start_at": start_at}
    response = client.post(WIZARD, sent)
    page = page_of(response, 422)
    assert step(page) == "Details"
    assert reason in problems(page)[0]
    assert not PrivilegedSession.objects.exists()


def test_a_date_that_was_typed_counts_whatever_is_ticked(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    tomorrow = f"{timezone.now() + dt.timedelta(days=1):%Y-%m-%dT%H:%M}"
    typed = details(policy) | {"when": "now", "start_at": tomorrow}
    sent = review(client, typed)
    assert (sent["when"], sent["start_at"]) == ("later", tomorrow)
    page = page_of(client.post(WIZARD, typed | {"do": "edit"}))
    assert [box.get("value") for box in page.findall(".//input[@name='when'][@checked]")] == ["later"]
    client.post(WIZARD, sent)
    session = PrivilegedSession.objects.get()
    assert session.status == Status.PENDING
    assert f"{session.scheduled_for:%Y-%m-%dT%H:%M}" == tomorrow
    refused = page_of(client.post(WIZARD, details(policy, "web-2") | {"when": "now", "start_at": "nonsense"}), 422)
    assert problems(refused) == ["Enter a valid date/time."]


@pytest.fixture
def autumn(monkeypatch: pytest.MonkeyPatch) -> dt.datetime:
    """Set the time to a week before 2026-10-25, when the clocks go back in Berlin."""
    now = dt.datetime(2026, 10, 18, 12, tzinfo=dt.UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    return now


@pytest.mark.parametrize(
    ("which", "moment"), [("first", "2026-10-25T00:30:00+00:00"), ("second", "2026-10-25T01:30:00+00:00")]
)
def test_a_time_that_comes_twice_is_asked_about(
    as_user: AsUser, alice: User, policy: AccessPolicy, autumn: dt.datetime, which: str, moment: str
) -> None:
    client = as_user(alice)
    client.cookies["timezone"] = "Europe/Berlin"
    typed = details(policy) | {"when": "later", "start_at": "2026-10-25T02:30"}
    asked = page_of(client.post(WIZARD, typed), 422)
    assert problems(asked) == ["02:30 comes twice in that night. Choose which of the two you mean."]
    choices = asked.findall(".//input[@name='which']")
    assert [choice.get("value") for choice in choices] == ["first", "second"]
    shown = pages.text(asked)
    assert "02:30 for the first time, before the clocks go back (UTC+02:00)" in shown
    assert "02:30 for the second time, after they went back (UTC+01:00)" in shown
    reviewed = client.post(WIZARD, typed | {"which": which})
    offset = "+02:00" if which == "first" else "+01:00"
    assert f"2026-10-25 02:30 (Europe/Berlin, UTC{offset})" in pages.text(page_of(reviewed))
    client.post(WIZARD, review(client, typed | {"which": which}))
    scheduled_for = PrivilegedSession.objects.get().scheduled_for
    assert scheduled_for is not None
    assert scheduled_for.isoformat() == moment


@pytest.mark.parametrize(
    ("zone", "start_at", "reason"),
    [
        (
            "Europe/Berlin",
            "2027-03-28T02:30",
            "There is no 02:30 on 2027-03-28 in Europe/Berlin: the clocks go forward",
        ),
        ("America/New_York", "2027-03-14T02:00", "Enter another time, for instance 03:00."),
        ("Australia/Lord_Howe", "2027-10-03T02:15", "Enter another time, for instance 02:45."),
    ],
)
def test_a_time_that_does_not_come_is_said_in_words(
    as_user: AsUser, alice: User, policy: AccessPolicy, autumn: dt.datetime, zone: str, start_at: str, reason: str
) -> None:
    client = as_user(alice)
    client.cookies["timezone"] = zone
    page = page_of(client.post(WIZARD, details(policy) | {"when": "later", "start_at": start_at}), 422)
    assert reason in problems(page)[0]
    assert page.findall(".//input[@name='which']") == []


def test_a_time_that_comes_once_is_not_asked_about(
    as_user: AsUser, alice: User, policy: AccessPolicy, autumn: dt.datetime
) -> None:
    client = as_user(alice)
    client.cookies["timezone"] = "Europe/Berlin"
    for start_at in ("2026-10-25T01:59", "2026-10-25T03:00"):
        page = page_of(client.post(WIZARD, details(policy) | {"when": "later", "start_at": start_at}))
        assert step(page) == "Review"


def refused_when_sent(client: Client, sent: dict[str, Any]) -> str:
    page = page_of(client.post(WIZARD, sent), 422)
    assert step(page) == "Details"
    assert not PrivilegedSession.objects.exclude(status=Status.AVAILABLE).exists()
    [problem] = problems(page)
    return problem


def test_refusals_name_the_lock(as_user: AsUser, alice: User, admin: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    sent = review(client, details(policy))
    resource_lock = ResourceLock.objects.create(
        resource=Resource.objects.get(name="web-1"), title="Maintenance", locked_by=admin
    )
    assert "web-1 is closed to new sessions: Maintenance." in refused_when_sent(client, sent)
    listed = pages.text(page_of(client.get(WIZARD, draft(policy, step="resources"))))
    assert "Closed to new sessions: Maintenance" in listed
    ResourceLock.objects.filter(pk=resource_lock.pk).update(lifted_at=timezone.now())
    AccountLock.objects.create(user=alice, title="Left", locked_by=admin)
    assert "The account alice is locked: Left." in refused_when_sent(client, sent)


def test_refusals_name_the_policy_that_went_away(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    sent = review(client, details(policy))
    policy.users.clear()
    page = page_of(client.post(WIZARD, sent))
    assert step(page) == "Activity"
    assert problems(page) == ["No access policy gives alice that activity. Choose another."]
    assert not PrivilegedSession.objects.exists()


def test_all_or_nothing_when_one_resource_refuses(
    as_user: AsUser, alice: User, admin: User, policy: AccessPolicy
) -> None:
    client = as_user(alice)
    sent = review(client, details(policy, "web-1", "web-2"))
    ResourceLock.objects.create(resource=Resource.objects.get(name="web-2"), title="Maintenance", locked_by=admin)
    assert "web-2 is closed" in refused_when_sent(client, sent)
    assert not PrivilegedSession.objects.exists()


def test_what_runs_already_is_refused(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    builders.make_session(alice, activity=Activity.objects.get(), resource=Resource.objects.get(name="web-1"))
    client = as_user(alice)
    assert "You already have session" in refused_when_sent(client, review(client, details(policy)))


@pytest.mark.parametrize("at", ["Details", "Review"])
def test_what_would_be_refused_is_said_before_it_is_sent(
    as_user: AsUser, alice: User, admin: User, policy: AccessPolicy, at: str
) -> None:
    builders.make_session(alice, activity=Activity.objects.get(), resource=Resource.objects.get(name="web-1"))
    client = as_user(alice)

    def said() -> str:
        answer = client.get(WIZARD, draft(policy)) if at == "Details" else client.post(WIZARD, details(policy))
        page = page_of(answer)
        assert step(page) == at
        return " ".join(pages.texts(page, ".//div[@class='problem']"))

    assert "You already have session" in said()
    sends = pages.elements(client.post(WIZARD, details(policy))).find(".//button[@value='send']")
    assert sends is not None
    assert sends.get("aria-disabled") == "true"
    assert "already" in sends.get("title", "")
    AccountLock.objects.create(user=alice, title="Left", locked_by=admin)
    assert "The account alice is locked: Left." in said()


def test_a_tier_that_nobody_can_fulfil_is_said_at_the_review(as_user: AsUser, alice: User) -> None:
    policy = builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[alice]]))
    page = page_of(as_user(alice).post(WIZARD, details(policy)))
    assert step(page) == "Review"
    assert "cannot be followed" in " ".join(pages.texts(page, ".//div[@class='problem']"))


def test_approval_is_announced_and_then_waited_for(as_user: AsUser, alice: User, approver: User) -> None:
    boss = builders.make_user("boss")
    policy = builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[approver], [boss]]))
    client = as_user(alice)
    page = page_of(client.post(WIZARD, details(policy)))
    assert "1 approver, then 1 approver" in pages.text(page)
    done = client.post(WIZARD, review(client, details(policy)), follow=True)
    assert "it waits for approval" in done.content.decode()
    assert PrivilegedSession.objects.get().status == Status.WAITING


def test_details_can_be_changed_before_sending(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    sent = review(client, details(policy) | {"notes": "Broken disk", "ticket_number": "OPS-7"})
    page = page_of(client.post(WIZARD, sent | {"do": "edit"}))
    assert step(page) == "Details"
    again = pages.fields(page, ".//main//form[@method='post']")
    assert (again["notes"], again["ticket_number"], again["when"]) == ("Broken disk", "OPS-7", "now")


def test_a_form_that_is_sent_twice_asks_once(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    sent = review(client, details(policy))
    first, second = client.post(WIZARD, sent), client.post(WIZARD, sent)
    assert PrivilegedSession.objects.count() == 1
    assert first["Location"] == second["Location"] == f"/sessions/{PrivilegedSession.objects.get().pk}/"


@pytest.mark.django_db(transaction=True)
def test_two_submits_at_the_same_moment_ask_once(policy: AccessPolicy, alice: User) -> None:
    first = Client()
    first.force_login(alice)
    sent = review(first, details(policy))
    second = Client()
    second.cookies = first.cookies
    together, answers = threading.Barrier(2), []

    def submit(client: Client) -> None:
        together.wait()
        response = client.post(WIZARD, sent)
        answers.append((response.status_code, response.get("Location")))
        connection.close()

    threads = [threading.Thread(target=submit, args=(client,)) for client in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [session] = PrivilegedSession.objects.all()
    assert answers == [(302, f"/sessions/{session.pk}/")] * 2


@pytest.mark.django_db(transaction=True)
def test_review_pages_opened_at_the_same_moment_can_all_be_sent(alice: User) -> None:
    resources = [builders.make_resource(f"web-{number}") for number in range(4)]
    policy = builders.make_policy(users=[alice], resources=resources)
    client = Client()
    client.force_login(alice)
    together: threading.Barrier = threading.Barrier(4)
    forms: list[dict[str, Any]] = []

    def open_page(name: str) -> None:
        browser = Client()
        browser.cookies = client.cookies
        together.wait()
        forms.append(review(browser, details(policy, name)))
        connection.close()

    threads = [threading.Thread(target=open_page, args=(resource.name,)) for resource in resources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [client.post(WIZARD, form).status_code for form in forms] == [302] * 4
    assert PrivilegedSession.objects.count() == 4


def test_a_form_of_long_ago_never_asks_twice(
    as_user: AsUser, alice: User, policy: AccessPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_token, "MOST_USED_TOKENS", 1)
    client = as_user(alice)
    old = review(client, details(policy, "web-1"))
    later = time.time() + 2
    monkeypatch.setattr(time, "time", lambda: later)
    new = review(client, details(policy, "web-2"))
    client.post(WIZARD, old)
    client.post(WIZARD, new)
    PrivilegedSession.objects.all().delete()
    assert "This page was out of date; nothing was requested." in problems(page_of(client.post(WIZARD, old), 422))[0]
    assert client.post(WIZARD, new).status_code == 302  # shown what it made
    assert not PrivilegedSession.objects.exists()


def test_a_page_of_another_browser_is_asked_to_be_read_again(
    as_user: AsUser, alice: User, policy: AccessPolicy
) -> None:
    sent = review(as_user(alice), details(policy))
    page = page_of(as_user(alice).post(WIZARD, sent), 422)
    assert "nothing was requested" in problems(page)[0]
    assert not PrivilegedSession.objects.exists()


def test_a_second_review_page_does_not_spoil_the_first(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    first, second = review(client, details(policy, "web-1")), review(client, details(policy, "web-2"))
    client.post(WIZARD, first)
    client.post(WIZARD, second)
    assert set(PrivilegedSession.objects.values_list("resource_name", flat=True)) == {"web-1", "web-2"}


def test_a_token_that_is_not_ours_is_asked_to_be_read_again(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    client = as_user(alice)
    page = page_of(client.post(WIZARD, review(client, details(policy)) | {"token": "forged"}), 422)
    assert step(page) == "Review"
    assert "nothing was requested" in problems(page)[0]
    assert not PrivilegedSession.objects.exists()
    client.post(WIZARD, pages.fields(page, ".//main//form[@method='post']") | {"do": "send"})
    assert PrivilegedSession.objects.count() == 1


def test_an_administrator_requests_for_an_application(as_user: AsUser, admin: User) -> None:
    application = builders.make_application()
    policy = builders.make_policy(users=[application.principal])
    client = as_user(admin)
    first = page_of(client.get(WIZARD))
    options = pages.texts(first, ".//select[@name='for']/option")
    assert options == ["Myself", "backup-job"]
    client.post(WIZARD, review(client, details(policy) | {"for": application.pk}))
    session = PrivilegedSession.objects.get()
    assert (session.user, session.requested_by) == (application.principal, admin)


def test_a_user_does_not_request_for_an_application(as_user: AsUser, alice: User, policy: AccessPolicy) -> None:
    application = builders.make_application()
    policy.users.add(application.principal)
    client = as_user(alice)
    assert page_of(client.get(WIZARD)).find(".//select[@name='for']") is None
    for sent in (client.get(WIZARD, {"for": application.pk}), client.post(WIZARD, {"for": application.pk})):
        assert sent.status_code == 400
        assert "Only administrators request sessions for an application." in sent.content.decode()


def test_an_auditor_requests_nothing(as_user: AsUser, auditor: User) -> None:
    policy = builders.make_policy(users=[auditor])
    for response in (as_user(auditor).get(WIZARD), as_user(auditor).post(WIZARD, details(policy))):
        assert response.status_code == 403
        assert "Auditors read everything and change nothing." in response.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "activity=x",
        "activity=1&activity=2",
        "resources=-1",
        "resources=%00",
        "for=999999",
        "step=pay",
        "activity=" + "9" * 30,
        "&".join(f"resources={number}" for number in range(51)),
    ],
)
def test_an_address_that_the_wizard_did_not_make_is_a_400(as_user: AsUser, admin: User, query: str) -> None:
    response = as_user(admin).get(f"{WIZARD}?{query}")
    assert response.status_code == 400
    assert "Nothing was changed." in response.content.decode()


def test_a_form_without_its_token_is_refused(alice: User, policy: AccessPolicy) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(WIZARD, details(policy) | {"do": "send"}).status_code == 403


@pytest.mark.parametrize("name", ["resources", "details"])
def test_a_step_costs_the_same_queries_with_2_resources_and_40(as_user: AsUser, alice: User, name: str) -> None:
    resources = [builders.make_resource(f"web-{number:02}") for number in range(40)]
    policy = builders.make_policy(users=[alice], resources=resources)
    client = as_user(alice)

    def cost(count: int) -> int:
        chosen = [resource.pk for resource in resources[:count]]
        sent: dict[str, Any] = {"activity": policy.activities.get().pk, "resources": chosen, "step": name}
        with CaptureQueriesContext(connection) as captured:
            response = client.get(WIZARD, sent)
            assert response.status_code == 200
        return len(captured)

    assert cost(2) == cost(40)


@pytest.mark.parametrize(
    ("profile", "values", "is_confirmed"),
    [
        ({"confirm_at_start": True}, {}, True),
        ({"confirm_at_connect": True}, {}, False),  # which is asked for at the connect itself
        ({}, {}, False),
        ({"confirm_at_start": True}, {"when": "later", "start_at": "2100-01-01T10:00"}, False),
    ],
)
def test_what_begins_at_once_counts_the_factor_of_the_request(
    as_user: AsUser,
    alice: User,
    policy: AccessPolicy,
    monkeypatch: pytest.MonkeyPatch,
    profile: dict[str, bool],
    values: dict[str, str],
    is_confirmed: bool,
) -> None:
    monkeypatch.setattr("sessions_app.privileged.policy.LONGEST_AHEAD", dt.timedelta(days=100_000))
    ConnectionProfile.objects.update(**profile)
    client = as_user(alice)
    sent = review(client, {**details(policy), **values})
    LoginSession.objects.update(confirmed_at=None)
    answer = client.post(WIZARD, sent)
    if is_confirmed:
        assert answer.status_code == 403
        assert not PrivilegedSession.objects.exists()
        asked = page_of(answer, 403)
        assert "To begin the session, confirm that it is you" in pages.text(asked.find(".//main"))
        given = pages.fields(asked, ".//main//form") | {"confirm-password": builders.PASSWORD}
        answer = client.post(WIZARD, given)
    assert answer.status_code == 302
    assert (PrivilegedSession.objects.get().start_confirmed_at is not None) == is_confirmed
