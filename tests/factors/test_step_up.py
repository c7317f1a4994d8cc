"""A deed of the table waits until the person has given a factor, and then goes on with everything that was typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.factors import recovery
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders
from tests.support.builders import PASSWORD
from tests.support.confirming import let_time_pass
from tests.support.factors import code_of, give_app, give_key
from tests.support.pages import ClientResponse, attribute, elements, fields, streamed, text
from tests.support.vault import make_secret

AsUser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def question(answer: ClientResponse) -> dict[str, Any]:
    """Return what a browser would send with the question that is asked."""
    sent = fields(elements(answer))
    assert "confirm-form" in sent, "No factor is asked for"
    return {name: value for name, value in sent.items() if name != "csrfmiddlewaretoken"}


def confirm(
    client: Client, path: str, answer: ClientResponse, password: str = PASSWORD, **extra: Any
) -> ClientResponse:
    return client.post(path, question(answer) | {"confirm-password": password}, **extra)


@pytest.fixture
def waiting(alice: User, approver: User) -> PrivilegedSession:
    """Return a request that approver and admin are asked about."""
    profile = builders.make_profile("Approved", tiers=[[approver]])
    return builders.make_session(alice, Status.WAITING, profile=profile)


def status_of(session: PrivilegedSession) -> str:
    session.refresh_from_db(fields=["status"])
    return session.status


def test_a_deed_waits_for_the_password_and_goes_on(approver: User, as_user: AsUser, waiting: PrivilegedSession) -> None:
    client, path = as_user(approver), "/sessions/do/approve/"
    let_time_pass()
    asked = client.post(path, {"ids": waiting.pk, "next": "/approvals/"})
    assert asked.status_code == 403
    assert asked["Cache-Control"] == "no-store"
    assert "Approve sessions Confirm that it is you To approve sessions" in text(elements(asked).find(".//main"))
    assert status_of(waiting) == Status.WAITING
    done = confirm(client, path, asked)
    assert (done.status_code, done["Location"]) == (302, "/approvals/")
    assert status_of(waiting) != Status.WAITING
    entry = LogEntry.objects.get(verb=Verb.FACTOR_CONFIRMED)
    assert entry.message == "Confirmed with the password, to approve sessions"
    assert entry.actor_id == approver.pk
    assert "Confirmed until" in text(elements(client.get("/approvals/")))


def test_within_five_minutes_nobody_is_asked(approver: User, as_user: AsUser, waiting: PrivilegedSession) -> None:
    client = as_user(approver)
    let_time_pass(minutes=4)
    assert client.post("/sessions/do/approve/", {"ids": waiting.pk}).status_code == 302
    assert status_of(waiting) != Status.WAITING


def test_a_factor_counts_in_its_own_login_only(approver: User, as_user: AsUser, waiting: PrivilegedSession) -> None:
    here, there = as_user(approver), as_user(approver)
    let_time_pass()
    assert there.post("/accounts/confirm/", {"confirm-password": PASSWORD}).status_code == 302
    assert here.post("/sessions/do/approve/", {"ids": waiting.pk}).status_code == 403
    assert there.post("/sessions/do/approve/", {"ids": waiting.pk}).status_code == 302


def test_a_wrong_password_is_counted_and_logged(
    approver: User, as_user: AsUser, waiting: PrivilegedSession, settings: Any
) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT = 2
    client, path = as_user(approver), "/sessions/do/approve/"
    let_time_pass()
    answer = client.post(path, {"ids": waiting.pk})
    for _ in range(2):
        answer = confirm(client, path, answer, "not it")
        assert answer.status_code == 422
        assert "This is not your password" in text(elements(answer))
    messages = LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).values_list("message", flat=True)
    assert set(messages) == {
        "A login as approver was not asked for: its password was entered wrongly to approve sessions"
    }
    answer = confirm(client, path, answer)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert "nothing was done" in text(elements(answer))
    assert status_of(waiting) == Status.WAITING
    assert not LogEntry.objects.filter(verb=Verb.FACTOR_CONFIRMED).exists()


def test_an_empty_answer_asks_again(approver: User, as_user: AsUser, waiting: PrivilegedSession) -> None:
    client, path = as_user(approver), "/sessions/do/approve/"
    let_time_pass()
    answer = confirm(client, path, client.post(path, {"ids": waiting.pk}), "")
    assert answer.status_code == 422
    assert confirm(client, path, answer).status_code == 302


def test_nothing_of_a_long_form_is_lost(boss: Client, alice: User, outsider: User) -> None:
    resources = [builders.make_resource(f"web-{number}") for number in range(3)]
    profile = builders.make_profile()
    activity = builders.make_activity()
    let_time_pass()
    sent = {
        "name": "Night shift – “Ωmega” & <more>",
        "is_active": "on",
        "profile": profile.pk,
        "users": [alice.pk, outsider.pk],
        "resources": [each.pk for each in resources],
        "activities": activity.pk,
        "priority": "100",
    }
    asked = boss.post("/policies/add/", sent)
    assert asked.status_code == 403
    assert not AccessPolicy.objects.exists()
    answer = confirm(boss, "/policies/add/", confirm(boss, "/policies/add/", asked, "wrong"))
    assert answer.status_code == 302, text(elements(answer))
    policy = AccessPolicy.objects.get()
    assert policy.name == sent["name"]
    assert set(policy.users.all()) == {alice, outsider}
    assert set(policy.resources.all()) == set(resources)


def test_what_was_typed_cannot_be_read_in_the_page(boss: Client) -> None:
    let_time_pass()
    sent = {"name": "db", "value": "hunter2-secret"}
    asked = boss.post("/secrets/add/", sent)
    assert asked.status_code == 403
    assert b"hunter2" not in asked.content


def test_a_form_goes_on_in_no_other_login_and_at_no_other_address(
    boss: Client, admin: User, as_user: AsUser, alice: User, approver: User
) -> None:
    session = builders.make_session(alice, Status.LOCKED)
    other = builders.make_admin("other")
    unlock = "/sessions/do/unlock/"
    let_time_pass()
    sent = question(boss.post(unlock, {"ids": session.pk})) | {"confirm-password": PASSWORD}
    for client in (as_user(other), as_user(admin)):  # another person, and another login of the same one
        refused = client.post(unlock, sent)
        assert refused.status_code == 400
        assert "not kept any more" in text(elements(refused))
    assert boss.post("/sessions/do/end/", sent).status_code == 400
    assert boss.post(unlock, sent | {"confirm-form": "x" + sent["confirm-form"]}).status_code == 400
    assert status_of(session) == Status.LOCKED
    assert not LogEntry.objects.filter(verb=Verb.FACTOR_CONFIRMED).exists()
    assert boss.post(unlock, sent).status_code == 302
    assert status_of(session) != Status.LOCKED


def test_a_form_is_kept_for_a_quarter_of_an_hour(boss: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = builders.make_session(alice, Status.LOCKED)
    let_time_pass()
    asked = boss.post("/sessions/do/unlock/", {"ids": session.pk})
    monkeypatch.setattr("sessions_app.factors.parking.KEPT_FOR", -1)
    assert confirm(boss, "/sessions/do/unlock/", asked).status_code == 400
    assert status_of(session) == Status.LOCKED


def test_whoever_may_not_do_it_still_may_not_after_confirming(alice: User, as_user: AsUser) -> None:
    client, path = as_user(alice), "/policies/add/"
    let_time_pass()
    assert confirm(client, path, client.post(path, {"name": "Mine"})).status_code == 403
    assert not AccessPolicy.objects.exists()


def test_a_login_that_was_ended_meanwhile_goes_on_with_nothing(boss: Client, alice: User) -> None:
    session = builders.make_session(alice, Status.LOCKED)
    let_time_pass()
    asked = boss.post("/sessions/do/unlock/", {"ids": session.pk})
    LoginSession.objects.update(ended_at=timezone.now(), end_reason="forced")
    answer = confirm(boss, "/sessions/do/unlock/", asked)
    assert answer["Location"].startswith("/accounts/login/")
    assert status_of(session) == Status.LOCKED


# --- a second factor


def test_whoever_has_a_second_factor_confirms_with_it_and_not_with_the_password(
    approver: User, as_user: AsUser, waiting: PrivilegedSession
) -> None:
    give_app(approver)
    client, path = as_user(approver), "/sessions/do/approve/"
    let_time_pass()
    asked = client.post(path, {"ids": waiting.pk})
    assert {"confirm-form", "confirm-code"} == set(question(asked))
    assert confirm(client, path, asked).status_code == 422
    wrong = client.post(path, question(asked) | {"confirm-code": "000000"})
    assert wrong.status_code == 422
    assert "This code is wrong, or it was used before. Nothing was done." in text(elements(wrong))
    assert status_of(waiting) == Status.WAITING
    assert LogEntry.objects.filter(verb=Verb.FACTOR_FAILED).count() == 1
    assert client.post(path, question(wrong) | {"confirm-code": code_of()}).status_code == 302
    assert status_of(waiting) != Status.WAITING
    entry = LogEntry.objects.get(verb=Verb.FACTOR_CONFIRMED)
    assert entry.message == "Confirmed with a code of the authenticator app, to approve sessions"


def test_a_code_confirms_once(approver: User, as_user: AsUser) -> None:
    give_app(approver)
    client, code = as_user(approver), code_of()
    assert client.post("/accounts/confirm/", {"confirm-code": code}).status_code == 302
    let_time_pass()
    again = client.post("/accounts/confirm/", {"confirm-code": code})
    assert again.status_code == 422
    assert "it was used before" in text(elements(again))


def test_a_recovery_code_confirms(approver: User, as_user: AsUser) -> None:
    give_app(approver)
    first, *_ = recovery.make(approver)
    client = as_user(approver)
    let_time_pass()
    assert "Or one of your recovery codes" in text(elements(client.get("/accounts/confirm/")))
    assert client.post("/accounts/confirm/", {"confirm-code": first}).status_code == 302
    assert LogEntry.objects.get(verb=Verb.FACTOR_CONFIRMED).message.startswith("Confirmed with a recovery code")


def test_a_security_key_confirms_and_a_wrong_answer_does_not(approver: User, waiting: PrivilegedSession) -> None:
    key, path = give_key(approver), "/sessions/do/approve/"
    client = Client(headers={"Host": "localhost"})  # keys belong to a name
    client.force_login(approver)
    let_time_pass()
    asked = client.post(path, {"ids": waiting.pk})
    sent = question(asked)
    assert set(sent) == {"confirm-form", "confirm-credential"}  # nothing to type: no app and no recovery codes
    options = attribute(elements(asked).find(".//form[@data-webauthn]"), "data-webauthn")
    wrong = client.post(path, sent | {"confirm-credential": "{}"})
    assert wrong.status_code == 422
    assert "No security key of yours has answered. Nothing was done." in text(elements(wrong))
    assert status_of(waiting) == Status.WAITING
    answer = key.answer(client.get(options).json())
    assert client.post(path, sent | {"confirm-credential": answer}).status_code == 302
    assert status_of(waiting) != Status.WAITING
    assert LogEntry.objects.get(verb=Verb.FACTOR_CONFIRMED).message.startswith("Confirmed with a security key")
    let_time_pass()
    assert client.post("/accounts/confirm/", {"confirm-credential": answer}).status_code == 422  # once only


def test_the_password_alone_does_not_change_the_password_of_who_has_a_second_factor(
    alice: User, outsider: User, as_user: AsUser
) -> None:
    give_app(alice)
    path, new = "/accounts/password/", "a much longer phrase 17"
    sent = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    mine, theirs = as_user(alice), as_user(outsider)
    let_time_pass()
    asked = mine.post(path, sent)
    assert asked.status_code == 403
    assert new.encode() not in asked.content
    assert theirs.post(path, sent).status_code == 302  # the form asks for the only factor
    assert mine.post(path, question(asked) | {"confirm-code": code_of()}).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(new)


def test_an_account_without_any_factor_is_told_to_log_in_again(alice: User, as_user: AsUser) -> None:
    alice.set_unusable_password()
    alice.save(update_fields=["password"])
    answer = as_user(alice).get("/accounts/confirm/")
    assert "Log out and log in again" in text(elements(answer))
    assert "confirm-password" not in fields(elements(answer))


# --- which deeds


def test_what_stops_something_in_an_emergency_never_waits(boss: Client, alice: User) -> None:
    first, second, third = (
        builders.make_session(alice, Status.AVAILABLE, resource=builders.make_resource(f"web-{number}"))
        for number in range(3)
    )
    login = builders.make_login(alice)
    let_time_pass()
    paths: list[tuple[str, dict[str, Any]]] = [
        ("/sessions/do/lock/", {"ids": [first.pk, second.pk], "title": "Stop"}),
        ("/sessions/do/terminate/", {"ids": third.pk}),
        ("/sessions/do/end/", {"ids": [first.pk, second.pk]}),
        (f"/resources/{first.resource_id}/lock/", {"title": "Stop"}),
        (f"/users/{alice.pk}/lock/", {"title": "Stop"}),
        ("/logins/logout/", {"ids": login.pk}),
        ("/accounts/logout/", {}),
    ]
    for path, sent in paths:
        assert boss.post(path, sent).status_code == 302, path


def test_to_terminate_several_at_once_waits(boss: Client, alice: User) -> None:
    sessions = [
        builders.make_session(alice, Status.AVAILABLE, resource=builders.make_resource(f"web-{number}"))
        for number in range(2)
    ]
    let_time_pass()
    asked = boss.post("/sessions/do/terminate/", {"ids": [each.pk for each in sessions], "cancel": "on"})
    assert asked.status_code == 403
    assert {status_of(each) for each in sessions} == {Status.AVAILABLE}
    assert confirm(boss, "/sessions/do/terminate/", asked).status_code == 302
    assert Status.AVAILABLE not in {status_of(each) for each in sessions}


def test_to_log_out_other_browsers_of_oneself_waits_and_the_own_one_and_others_do_not(
    boss: Client, alice: User, admin: User, as_user: AsUser
) -> None:
    mine, theirs = builders.make_login(admin), builders.make_login(alice)
    let_time_pass()
    own_two = [builders.make_login(admin).pk, mine.pk]
    for path, sent in (("/logins/logout/", {"ids": own_two}), ("/logins/logout-others/", {})):
        asked = boss.post(path, sent)
        assert asked.status_code == 403
        question(asked)
    assert LoginSession.objects.live().filter(user=admin).count() == 3
    boss.post("/logins/logout/", {"ids": [theirs.pk]})
    assert not LoginSession.objects.live().filter(pk=theirs.pk).exists()
    asked = boss.post("/logins/logout/", {"ids": own_two})
    confirm(boss, "/logins/logout/", asked)
    assert LoginSession.objects.live().filter(user=admin).count() == 1
    let_time_pass()
    boss.post("/logins/logout/", {"ids": [LoginSession.objects.live().get(user=admin).pk]})
    assert not LoginSession.objects.live().exists()


@pytest.mark.parametrize("ids", [["x"], ["-1"], ["9" * 30], ["²"]])
def test_what_is_no_number_of_a_login_is_refused_as_ever(boss: Client, ids: list[str]) -> None:
    let_time_pass()
    assert boss.post("/logins/logout/", {"ids": ids}).status_code == 400


def test_to_cut_everything_waits(boss: Client, alice: User) -> None:
    path = f"/users/{alice.pk}/cut/"
    let_time_pass()
    assert boss.get(path).status_code == 200
    asked = boss.post(path, {"reason": "stolen laptop"})
    assert asked.status_code == 403
    assert not AccountLock.objects.exists()
    done = confirm(boss, path, asked)
    assert done.status_code == 200
    assert AccountLock.objects.get().user_id == alice.pk


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/users/{alice}/change/", {"username": "alice", "groups": []}),
        ("/users/{alice}/password/", {"password1": "x"}),
        ("/groups/add/", {"name": "New"}),
        ("/resources/add/", {"name": "x"}),
        ("/service-keys/add/", {"name": "x"}),
        ("/accounts/keys/add/", {"title": "x", "key": "x"}),
        ("/admin/auth/user/{alice}/change/", {"username": "alice"}),
        ("/admin/sessions_app/accesspolicy/", {"action": "delete_selected"}),
    ],
)
def test_changes_of_people_and_configuration_wait(boss: Client, alice: User, path: str, sent: dict[str, Any]) -> None:
    path = path.format(alice=alice.pk)
    let_time_pass()
    assert boss.get(path).status_code == 200
    asked = boss.post(path, sent)
    assert asked.status_code == 403
    question(asked)
    assert confirm(boss, path, asked).status_code in (200, 302, 422)  # the form itself, with what is wrong in it


def test_a_form_that_only_shows_other_fields_does_not_wait(boss: Client) -> None:
    let_time_pass()
    assert boss.post("/resources/add/", {"name": "x", "_show": "1"}).status_code == 200


def test_a_button_of_a_form_does_not_let_a_deletion_pass(boss: Client) -> None:
    policy = builders.make_policy("Linux work")
    let_time_pass()
    assert boss.post(f"/policies/{policy.pk}/delete/", {"_show": "1", "find": "1"}).status_code == 403
    assert AccessPolicy.objects.exists()


# --- what is read


def test_the_download_of_everybodys_log_waits_and_then_begins(boss: Client, alice: User, as_user: AsUser) -> None:
    path = "/activity/?period=1m&csv=1"
    mine = as_user(alice)
    let_time_pass()
    assert boss.get("/activity/").status_code == 200
    asked = boss.get(path)
    assert asked.status_code == 403
    assert not LogEntry.objects.filter(verb=Verb.EXPORT_BEGAN).exists()
    done = confirm(boss, path, asked)
    assert done.status_code == 200
    assert done["Refresh"] == f"0; url={path}"
    assert path in {link.get("href") for link in elements(done).iter("a")}
    assert streamed(boss.get(path)).startswith(b"ID,Date and time")
    assert mine.get(path)["Content-Type"].startswith("text/csv")  # one's own entries only


def test_a_page_that_waits_opens_after_the_question(alice: User, as_user: AsUser) -> None:
    client, path = as_user(alice), "/accounts/2fa/app/"
    let_time_pass()
    asked = client.get(path)
    assert asked.status_code == 403
    opened = client.post(path, question(asked) | {"confirm-password": PASSWORD}, follow=True)
    assert opened.redirect_chain == [(path, 302)]
    assert "Confirmed until" in text(elements(opened))


# --- by HTMX


def test_htmx_gets_the_question_in_the_dialog_and_goes_on_in_place(
    approver: User, as_user: AsUser, waiting: PrivilegedSession
) -> None:
    client, path = as_user(approver), "/sessions/do/approve/"
    let_time_pass()
    asked = client.post(path, {"ids": waiting.pk}, headers=HTMX)
    assert (asked.status_code, asked["HX-Retarget"], asked["HX-Reswap"]) == (200, "#dialog", "innerHTML")
    wrong = confirm(client, path, asked, "wrong", headers=HTMX)
    assert (wrong.status_code, wrong["HX-Retarget"]) == (422, "#dialog")
    done = confirm(client, path, wrong, headers=HTMX)
    assert done.status_code == 204
    lines = json.loads(done["HX-Trigger"])["done"]["messages"]
    assert [kind for kind, *_ in lines] == ["success", "info"]
    assert lines[1][1].startswith("Confirmed until ")
    assert status_of(waiting) != Status.WAITING


def test_an_answer_for_another_part_of_the_page_closes_the_dialog(alice: User, as_user: AsUser) -> None:
    secret = make_secret()
    session = builders.make_session(alice, Status.AVAILABLE, resource=secret.resource)
    client, path = as_user(alice), f"/sessions/{session.pk}/secrets/{secret.pk}/show/"
    let_time_pass()
    asked = client.post(path, headers=HTMX | {"HX-Target": "revealed"})
    assert attribute(elements(asked).find(".//*[@hx-target]"), "hx-target") == "#revealed"
    assert not LogEntry.objects.filter(verb=Verb.SECRET_VIEWED).exists()
    done = confirm(client, path, asked, headers=HTMX | {"HX-Target": "revealed"})
    assert done.status_code == 200
    assert "done" in json.loads(done["HX-Trigger"])
    assert LogEntry.objects.filter(verb=Verb.SECRET_VIEWED).exists()


# --- what it costs, and the page of its own


def test_a_request_costs_no_query_for_it(boss: Client, settings: Settings) -> None:
    path = f"/policies/{builders.make_policy('Linux work').pk}/change/"

    def queries(client: Client) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.post(path, {"name": ""}).status_code == 422
        return len(captured)

    queries(boss)  # the first request reads what is kept afterwards
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if not one.endswith(".StepUpMiddleware")]
    without = Client()
    without.cookies = boss.cookies
    assert queries(boss) == queries(without)


def test_a_person_confirms_before_anything_asks(boss: Client) -> None:
    let_time_pass()
    page = boss.get("/accounts/confirm/?next=/policies/")
    assert "Not confirmed at the moment" in text(elements(page))
    assert boss.post("/accounts/confirm/", {"confirm-password": "wrong"}).status_code == 422
    done = boss.post("/accounts/confirm/", {"confirm-password": PASSWORD, "next": "/policies/"})
    assert done["Location"] == "/policies/"
    assert "Confirmed until" in text(elements(boss.get("/accounts/confirm/")))
    assert (
        boss.post("/accounts/confirm/", {"confirm-password": PASSWORD, "next": "//evil"})["Location"] == "/accounts/me/"
    )
