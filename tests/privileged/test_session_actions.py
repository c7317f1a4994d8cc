"""Acting on chosen sessions: the dialog and its page, the doing line by line, and everything that is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client

from activity.models import LogEntry
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.outcome import Undo
from sessions_app.people.models import AccountLock
from sessions_app.privileged.models import ControlRequest, PrivilegedSession, Status
from tests.support import builders, pages

AsUser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
VERBS = ["end", "lock", "unlock", "terminate", "approve", "deny", "extend"]


def url(verb: str, *sessions: PrivilegedSession, next_url: str = "/sessions/") -> str:
    return f"/sessions/do/{verb}/?next={next_url}&" + "&".join(f"ids={session.pk}" for session in sessions)


def send(client: Client, verb: str, *sessions: PrivilegedSession, **values: Any) -> Any:
    return client.post(f"/sessions/do/{verb}/", {"ids": [session.pk for session in sessions], **values})


def status(session: PrivilegedSession) -> str:
    return PrivilegedSession.objects.get(pk=session.pk).status


def said(response: Any) -> list[tuple[str, str]]:
    return [(message.level_tag, message.message) for message in get_messages(response.wsgi_request)]


def through_the_dialog(client: Client, verb: str, *sessions: PrivilegedSession, **values: Any) -> Any:
    """Read the dialog, fill in its form and send it, as a browser does."""
    dialog = client.get(url(verb, *sessions), headers=HTMX)
    assert dialog.status_code == 200
    sent = {**pages.fields(pages.elements(dialog)), **values}
    return client.post(f"/sessions/do/{verb}/", sent, headers=HTMX)


def test_the_dialog_is_a_fragment_and_the_page_holds_the_same(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    client = as_user(admin)
    for headers, is_page in ((HTMX, False), ({}, True)):
        response = client.get(url("lock", session), headers=headers)
        page = pages.elements(response)
        assert (page.find(".//html") is not None) is is_page
        assert pages.texts(page, ".//h2[@id='dialog-title']") == ["Lock"]
        assert "Patch Linux on web-1 for alice" in pages.text(page)
        assert "HX-Request" in response["Vary"]
        sent = pages.fields(page)
        assert sent["ids"] == [str(session.pk)]
        assert sent["next"] == "/sessions/"
        assert set(sent) == {"csrfmiddlewaretoken", "ids", "next", "title", "message"}
    assert status(session) == Status.AVAILABLE


def test_reading_the_dialog_changes_nothing(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    for verb in VERBS:
        as_user(admin).get(url(verb, session) + "&title=x&reason=y&cancel=on")
    assert status(session) == Status.AVAILABLE
    assert not ControlRequest.objects.exists()


def test_terminate_cancels_by_default_and_not_when_the_box_is_cleared(
    as_user: AsUser, alice: User, admin: User
) -> None:
    first, second = builders.make_session(alice), builders.make_session(alice)
    client = as_user(admin)
    dialog = pages.elements(client.get(url("terminate", first), headers=HTMX))
    assert pages.fields(dialog)["cancel"] == "on"
    through_the_dialog(client, "terminate", first)
    send(client, "terminate", second)
    assert (status(first), status(second)) == (Status.CANCELING, Status.AVAILABLE)
    assert set(ControlRequest.objects.values_list("session_id", "kind")) == {
        (first.pk, "disconnect"),
        (second.pk, "disconnect"),
    }


def test_lock_takes_title_message_and_both_boxes(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    through_the_dialog(
        as_user(admin), "lock", session, title="Stop", message="Call the desk", forbid_resource="on", lock_account="on"
    )
    session.refresh_from_db()
    assert (session.status, session.lock_title, session.lock_message) == (Status.LOCKED, "Stop", "Call the desk")
    assert ResourceLock.objects.in_force().get().resource == session.resource
    assert AccountLock.objects.in_force().get().user == alice


def test_undo_lifts_only_the_lock_that_it_belongs_to(as_user: AsUser, alice: User, admin: User) -> None:
    session, other = builders.make_session(alice), as_user(builders.make_admin("boss"))
    response = through_the_dialog(as_user(admin), "lock", session, title="Stop")
    [[_, _, undo]] = json.loads(response.headers["HX-Trigger"])["done"]["messages"]
    send(other, "unlock", session)
    send(other, "lock", session, title="Stolen key")
    response = as_user(admin).post(undo["url"], {"ids": undo["ids"]}, headers=HTMX)
    assert "It was locked once more since then." in response.headers["HX-Trigger"]
    assert status(session) == Status.LOCKED
    send(other, "unlock", session)
    response = through_the_dialog(as_user(admin), "lock", session, title="Stop")
    [[_, _, undo]] = json.loads(response.headers["HX-Trigger"])["done"]["messages"]
    as_user(admin).post(undo["url"], {"ids": undo["ids"]}, headers=HTMX)
    assert status(session) == Status.AVAILABLE


def undo_after_lock(client: Client, address: str) -> Undo:
    """Lock an account or a resource, and return what the button Undo of the message does, on the page that follows."""
    response = client.post(f"{address}/lock/", {"title": "Stop"}, headers=HTMX)
    assert response.headers["HX-Redirect"] == f"{address}/"
    [message] = get_messages(response.wsgi_request)
    undo = Undo.read(message.extra_tags)
    assert undo is not None
    return undo


@pytest.mark.parametrize("place", ["users", "resources"])
def test_undo_of_a_lock_of_an_account_or_a_resource_lifts_no_later_one(
    as_user: AsUser, alice: User, admin: User, place: str
) -> None:
    thing, locks = (alice, AccountLock) if place == "users" else (builders.make_resource(), ResourceLock)
    address, other = f"/{place}/{thing.pk}", as_user(builders.make_admin("boss"))
    undo = undo_after_lock(as_user(admin), address)
    other.post(f"{address}/unlock/")
    other.post(f"{address}/lock/", {"title": "Stolen key"})
    assert "once more since then" in as_user(admin).post(undo.url, headers=HTMX).headers["HX-Trigger"]
    assert locks.objects.in_force().get().title == "Stolen key"
    other.post(f"{address}/unlock/")
    as_user(admin).post(undo_after_lock(as_user(admin), address).url, headers=HTMX)
    assert not locks.objects.in_force().exists()


def test_lock_alone_locks_neither_account_nor_resource(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    through_the_dialog(as_user(admin), "lock", session, title="Stop")
    assert status(session) == Status.LOCKED
    assert not AccountLock.objects.exists()
    assert not ResourceLock.objects.exists()


def test_locking_the_account_of_several_sessions_counts_each_of_them(as_user: AsUser, alice: User, admin: User) -> None:
    sessions = [builders.make_session(alice) for _ in range(3)]
    response = send(as_user(admin), "lock", *sessions, title="Stop", lock_account="on", forbid_resource="on")
    assert [level for level, _ in said(response)] == ["success"]
    assert {status(session) for session in sessions} == {Status.LOCKED}


def test_unlock_end_and_extend_do_what_they_say(as_user: AsUser, alice: User, admin: User) -> None:
    profile = builders.make_profile(extension_limit=1)
    locked = builders.make_session(alice, Status.LOCKED)
    running = builders.make_session(alice, profile=profile)
    old_end = running.end_at
    assert old_end is not None
    client = as_user(admin)
    through_the_dialog(client, "unlock", locked)
    assert status(locked) == Status.AVAILABLE
    through_the_dialog(client, "extend", running)
    running.refresh_from_db()
    assert (running.end_at, running.extensions) == (old_end + profile.extension_by, 1)
    through_the_dialog(as_user(alice), "end", running)
    running.refresh_from_db()
    assert (running.status, running.ends_as) == (Status.CANCELING, Status.COMPLETE)


def test_the_dialog_to_extend_says_the_new_end_and_what_is_left(as_user: AsUser, alice: User) -> None:
    profile = builders.make_profile(extension_limit=3)
    session = builders.make_session(alice, profile=profile, extensions=1)
    assert session.end_at is not None
    dialog = pages.text(pages.elements(as_user(alice).get(url("extend", session), headers=HTMX)))
    new_end = session.end_at + profile.extension_by
    assert f"New end: {new_end:%Y-%m-%d %H:%M:%S} UTC. Extensions left after it: 1" in dialog


def test_an_approver_reads_what_is_asked_before_deciding(as_user: AsUser, alice: User, approver: User) -> None:
    profile = builders.make_profile(tiers=[[approver]])
    session = builders.make_session(
        alice, Status.WAITING, profile=profile, current_tier=1, notes="Broken disk", ticket_number="OPS-7"
    )
    for verb in ("approve", "deny"):
        dialog = pages.text(pages.elements(as_user(approver).get(url(verb, session), headers=HTMX)))
        assert "Notes: Broken disk. Ticket: OPS-7. At most 2 h 00 min" in dialog


def test_an_approver_approves_and_denies(as_user: AsUser, alice: User, approver: User) -> None:
    profile = builders.make_profile(tiers=[[approver]])
    first, second = (builders.make_session(alice, Status.WAITING, profile=profile) for _ in range(2))
    client = as_user(approver)
    through_the_dialog(client, "approve", first, reason="Fine")
    assert status(first) == Status.PROVISIONING
    assert first.approvals.get().reason == "Fine"
    refused = through_the_dialog(client, "deny", second)
    assert refused.status_code == 422
    assert status(second) == Status.WAITING
    through_the_dialog(client, "deny", second, reason="Not today")
    assert status(second) == Status.DENIED


@pytest.mark.parametrize(("verb", "values"), [("lock", {"title": ""}), ("lock", {"title": "x" * 121})])
def test_what_is_missing_or_too_long_is_named_in_the_dialog(
    as_user: AsUser, alice: User, admin: User, verb: str, values: dict[str, str]
) -> None:
    session = builders.make_session(alice)
    client = as_user(admin)
    response = client.post(f"/sessions/do/{verb}/", {"ids": session.pk, "next": "/sessions/", **values}, headers=HTMX)
    assert response.status_code == 422
    page = pages.elements(response)
    field = page.find(".//input[@name='title']")
    assert field is not None
    assert field.get("aria-invalid") == "true"
    assert pages.texts(page, ".//ul[@class='errorlist']/li")
    assert status(session) == Status.AVAILABLE
    whole = client.post(f"/sessions/do/{verb}/", {"ids": session.pk, **values})
    assert whole.status_code == 422
    assert pages.elements(whole).find(".//html") is not None


def test_each_session_is_reported_and_one_refusal_stops_no_other(as_user: AsUser, alice: User, admin: User) -> None:
    good = [builders.make_session(alice, resource=builders.make_resource(f"web-{number}")) for number in range(2)]
    over = builders.make_session(alice, Status.COMPLETE)
    response = send(as_user(admin), "end", good[0], over, good[1])
    assert response.status_code == 302
    assert {status(session) for session in good} == {Status.CANCELING}
    [success, error] = said(response)
    assert success[0] == "success"
    assert "web-0" in success[1]
    assert "web-1" in success[1]
    assert error == (
        "error",
        "Patch Linux on web-1 for alice: not ended or being ended. This session has ended (Complete).",
    )


def test_a_dialog_is_answered_by_an_event_and_a_page_by_a_redirect(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    client = as_user(admin)
    response = through_the_dialog(client, "lock", session, title="Stop")
    assert response.status_code == 204
    assert json.loads(response["HX-Trigger"])["done"]["messages"] == [
        [
            "success",
            "Patch Linux on web-1 for alice: locked.",
            {"url": f"/sessions/do/unlock/?newest_lock={session.controls.get().pk}", "ids": [str(session.pk)]},
        ]
    ]
    there = send(client, "unlock", session, next="/sessions/?tab=active&whose=mine")
    assert there["Location"] == "/sessions/?tab=active&whose=mine"
    elsewhere = send(client, "lock", session, title="Stop", next="https://evil.example/")
    assert "evil" not in elsewhere["Location"]


def test_many_outcomes_fit_into_the_header_of_the_answer(as_user: AsUser, alice: User, admin: User) -> None:
    sessions = []
    for number in range(30):
        profile = builders.make_profile(f"Profile {number} {'x' * 80}")
        sessions.append(builders.make_session(alice, profile=profile))
    response = client_post(as_user(admin), "extend", sessions)
    assert len(json.loads(response["HX-Trigger"])["done"]["messages"]) == 8
    assert len(response["HX-Trigger"]) < 4096


def client_post(client: Client, verb: str, sessions: list[PrivilegedSession]) -> Any:
    return client.post(f"/sessions/do/{verb}/", {"ids": [session.pk for session in sessions]}, headers=HTMX)


def test_the_dialog_says_for_each_session_why_not(as_user: AsUser, alice: User, admin: User) -> None:
    can, cannot = builders.make_session(alice), builders.make_session(alice, Status.LOCKED)
    page = pages.elements(as_user(admin).get(url("lock", can, cannot)))
    rows = pages.texts(page, ".//ul[@class='lines']/li")
    assert "Not possible" not in rows[0]
    assert "Not possible: This session is locked already." in rows[1]
    assert pages.fields(page)["ids"] == [str(can.pk)]
    nothing = pages.elements(as_user(admin).get(url("lock", cannot)))
    assert nothing.findall(".//main//form") == []


def test_who_became_an_auditor_ends_their_own_session_and_no_other(as_user: AsUser, alice: User, auditor: User) -> None:
    own, other = builders.make_session(auditor), builders.make_session(alice)
    client = as_user(auditor)
    page = pages.elements(client.get("/sessions/do/end/", {"ids": [own.pk, other.pk]}))
    assert pages.fields(page)["ids"] == [str(own.pk)]
    assert pages.text(page).count("Not possible: Auditors read everything and change nothing.") == 1
    send(client, "end", other)
    send(client, "end", own)
    assert (status(own), status(other)) == (Status.CANCELING, Status.AVAILABLE)
    own.refresh_from_db()
    assert own.ends_as == Status.COMPLETE


@pytest.mark.parametrize("verb", VERBS)
def test_an_auditor_changes_nothing(as_user: AsUser, alice: User, auditor: User, verb: str) -> None:
    session = builders.make_session(alice)
    client = as_user(auditor)
    for response in (client.get(url(verb, session)), send(client, verb, session, title="x", reason="x")):
        assert response.status_code == 403
        assert "Auditors read everything and change nothing." in response.content.decode()
    assert status(session) == Status.AVAILABLE


@pytest.mark.parametrize("verb", ["lock", "unlock", "terminate"])
def test_what_only_administrators_do_is_refused_to_the_owner(as_user: AsUser, alice: User, verb: str) -> None:
    session = builders.make_session(alice)
    client = as_user(alice)
    assert client.get(url(verb, session)).status_code == 403
    assert send(client, verb, session, title="x").status_code == 403
    assert status(session) == Status.AVAILABLE


@pytest.mark.parametrize("verb", ["end", "extend", "approve", "deny", "log", "relaunch"])
def test_sessions_of_others_are_not_there(as_user: AsUser, alice: User, outsider: User, verb: str) -> None:
    session, own = builders.make_session(alice), builders.make_session(outsider)
    client = as_user(outsider)
    assert client.get(url(verb, session)).status_code == 404
    assert send(client, verb, session, reason="x").status_code == 404
    assert send(client, verb, own, session, reason="x").status_code == 404
    assert status(session) == status(own) == Status.AVAILABLE


def test_an_approver_of_one_request_may_not_end_it(as_user: AsUser, alice: User, approver: User) -> None:
    session = builders.make_session(alice, Status.WAITING, profile=builders.make_profile(tiers=[[approver]]))
    response = send(as_user(approver), "end", session)
    assert said(response)[0][0] == "error"
    assert status(session) == Status.WAITING


def test_nobody_approves_their_own_request(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(admin, Status.WAITING, profile=builders.make_profile(tiers=[[admin]]))
    [line] = said(send(as_user(admin), "approve", session))
    assert line[0] == "error"
    assert "Nobody decides on a request of their own." in line[1]
    assert status(session) == Status.WAITING


@pytest.mark.parametrize("sent", ["", "ids=", "ids=x", "ids=-1", "ids=1.5", "ids=%00", "ids=٣", "ids=" + "9" * 30])
def test_a_selection_that_means_nothing_is_a_400(as_user: AsUser, admin: User, sent: str) -> None:
    client = as_user(admin)
    for verb in ("end", "log", "relaunch"):
        assert client.get(f"/sessions/do/{verb}/?{sent}").status_code == 400
        posted = client.post(f"/sessions/do/{verb}/", sent, content_type="application/x-www-form-urlencoded")
        assert posted.status_code == 400


def test_no_selection_says_what_to_do(as_user: AsUser, admin: User) -> None:
    response = as_user(admin).get("/sessions/do/end/")
    assert "Select a session first." in response.content.decode()
    fragment = as_user(admin).get("/sessions/do/end/", headers=HTMX)
    assert fragment.status_code == 400
    assert pages.elements(fragment).find(".//html") is None


def test_more_than_200_sessions_at_once_are_refused(as_user: AsUser, admin: User) -> None:
    ids = "&".join(f"ids={number}" for number in range(1, 202))
    response = as_user(admin).get(f"/sessions/do/end/?{ids}")
    assert response.status_code == 400
    assert "At most 200" in response.content.decode()


def test_an_unknown_verb_is_not_there(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    assert as_user(admin).get(url("destroy", session)).status_code == 404
    assert send(as_user(admin), "destroy", session).status_code == 404


def test_the_same_id_twice_acts_once(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    response = as_user(admin).post("/sessions/do/end/", {"ids": [session.pk, session.pk, f"0{session.pk}"]})
    assert [level for level, _ in said(response)] == ["success"]


def test_view_log_leads_to_the_log_of_one_session(as_user: AsUser, alice: User, auditor: User) -> None:
    first, second = builders.make_session(alice), builders.make_session(alice)
    client = as_user(auditor)
    assert client.get(url("log", first))["Location"] == f"/sessions/{first.pk}/log/"
    two = client.get(url("log", first, second))
    assert two.status_code == 400
    assert "Select one session only." in two.content.decode()


def test_relaunch_leads_to_the_wizard_filled_in(as_user: AsUser, alice: User, admin: User) -> None:
    over, running = builders.make_session(alice, Status.COMPLETE), builders.make_session(alice)
    expected = f"/sessions/request/?activity={over.activity_id}&resources={over.resource_id}"
    assert as_user(alice).get(url("relaunch", over))["Location"] == expected
    refused = as_user(alice).get(url("relaunch", running))
    assert refused.status_code == 400
    assert "has not ended" in refused.content.decode()


def test_relaunching_for_an_application_stays_for_it(as_user: AsUser, admin: User) -> None:
    application = builders.make_application()
    over = builders.make_session(application.principal, Status.COMPLETE)
    assert f"for={application.pk}" in as_user(admin).get(url("relaunch", over))["Location"]


def test_a_form_without_its_token_is_refused(alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert send(client, "end", session).status_code == 403
    assert status(session) == Status.AVAILABLE


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(as_user: AsUser, admin: User, method: str) -> None:
    assert getattr(as_user(admin), method)("/sessions/do/end/").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_at_once_one_wins_and_the_other_is_told(alice: User) -> None:
    session = builders.make_session(alice)
    admins = [builders.make_admin("admin"), builders.make_admin("second-admin")]
    clients = [Client(), Client()]
    for client, admin in zip(clients, admins, strict=True):
        client.force_login(admin)
    together, lines = threading.Barrier(2), []

    def lock(client: Client) -> None:
        together.wait()
        lines.extend(said(send(client, "lock", session, title="Stop")))
        connection.close()

    threads = [threading.Thread(target=lock, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(level for level, _ in lines) == ["error", "success"]
    assert ControlRequest.objects.filter(session=session).count() == 1


def test_a_lock_is_taken_back_by_a_button_of_its_message_also_without_javascript(
    as_user: AsUser, alice: User, admin: User
) -> None:
    session = builders.make_session(alice)
    client = as_user(admin)
    page = pages.elements(client.post(url("lock"), {"ids": session.pk, "title": "Stop"}, follow=True))
    form = page.find(".//div[@id='messages']//form")
    assert form is not None
    assert status(session) == Status.LOCKED
    fields = {field.attrib["name"]: field.attrib["value"] for field in form.iter("input")}
    client.post(form.attrib["action"], fields)
    assert status(session) == Status.AVAILABLE
    assert "unlocked" in LogEntry.objects.of_target(session).latest("pk").message


def test_a_lock_that_closed_more_is_not_taken_back_by_one_click(as_user: AsUser, alice: User, admin: User) -> None:
    session = builders.make_session(alice)
    response = through_the_dialog(as_user(admin), "lock", session, title="Stop", forbid_resource="on")
    assert json.loads(response["HX-Trigger"])["done"]["messages"] == [
        ["success", "Patch Linux on web-1 for alice: locked."]
    ]
