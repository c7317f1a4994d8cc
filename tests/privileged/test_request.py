"""People ask for sessions: what they may ask for, what a request becomes, and clear refusals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.flows.resource import lock_resource
from sessions_app.catalogue.models import Resource
from sessions_app.errors import Forbidden, Refused
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.policy_inputs import policies_for
from sessions_app.privileged.flows.request import allowed_activities, allowed_resources, request_sessions
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders
from tests.support.scene import ask


def test_a_request_without_approval_is_provisioned_at_once(alice: User) -> None:
    policy = builders.make_policy(users=[alice])
    session = ask(alice, notes="Kernel update", ticket_number="CHG-1")
    stored = PrivilegedSession.objects.get(pk=session.pk)
    assert stored.status == Status.PROVISIONING
    assert (stored.user, stored.requested_by, stored.policy) == (alice, alice, policy)
    assert (stored.notes, stored.ticket_number, stored.login_account) == ("Kernel update", "CHG-1", "alice-adm")
    entry = LogEntry.objects.of_target(session).get()
    assert entry.message == "alice asked for Patch Linux on web-1"
    assert (entry.actor, entry.details["policy"], entry.details["ticket_number"]) == (alice, "Linux work", "CHG-1")


def test_a_request_for_later_is_scheduled(alice: User) -> None:
    builders.make_policy(users=[alice])
    start = timezone.now() + dt.timedelta(days=1)
    session = ask(alice, start_at=start)
    assert (session.status, session.scheduled_for) == (Status.PENDING, start)
    asked, scheduled = LogEntry.objects.of_target(session).order_by("pk")
    assert (asked.verb, scheduled.verb) == (Verb.SESSION_REQUESTED, Verb.SESSION_SCHEDULED)
    assert scheduled.message == f"The session begins at {start:%Y-%m-%dT%H:%M:%S}Z"
    assert (scheduled.actor, scheduled.details) == (alice, {"start_at": start.isoformat()})


def test_a_request_for_now_is_not_scheduled(alice: User) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    assert not LogEntry.objects.of_target(session).filter(verb=Verb.SESSION_SCHEDULED).exists()


def test_a_request_with_tiers_waits_and_its_approvers_get_one_letter(
    alice: User, approver: User, outsider: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    profile = builders.make_profile(tiers=[[approver], [outsider]], approval_timeout=dt.timedelta(hours=3))
    resources = [builders.make_resource("web-1"), builders.make_resource("web-2")]
    builders.make_policy(users=[alice], profile=profile, resources=resources)
    before = timezone.now()
    with django_capture_on_commit_callbacks(execute=True):
        sessions = request_sessions(
            alice, user=alice, activity=builders.make_activity(), resources=resources, notes="why\nBcc: x"
        )
    assert {session.status for session in sessions} == {Status.WAITING}
    assert all(session.current_tier == 1 for session in sessions)
    deadline = sessions[0].approval_deadline
    assert deadline is not None
    assert before + dt.timedelta(hours=3) <= deadline <= timezone.now() + dt.timedelta(hours=3)
    [letter] = mail.outbox
    assert letter.to == ["approver@example.com"]
    assert "web-1" in letter.subject
    assert f"http://127.0.0.1:8000/sessions/{sessions[1].pk}/" in letter.body


def test_a_request_must_be_decided_before_it_should_start(alice: User, approver: User) -> None:
    profile = builders.make_profile(tiers=[[approver]], approval_timeout=dt.timedelta(hours=3))
    builders.make_policy(users=[alice], profile=profile)
    now = timezone.now()
    for hours, expected in ((2, 2), (9, 3)):
        [session] = request_sessions(
            alice,
            user=alice,
            activity=builders.make_activity(),
            resources=[builders.make_resource()],
            start_at=now + dt.timedelta(hours=hours),
        )
        assert session.approval_deadline is not None
        assert abs(session.approval_deadline - now - dt.timedelta(hours=expected)) < dt.timedelta(minutes=1)
        PrivilegedSession.objects.filter(pk=session.pk).update(status=Status.CANCELED, ended_at=now)


def test_mail_that_cannot_be_sent_leaves_a_warning_in_the_log_and_the_request_stands(
    alice: User,
    approver: User,
    settings: Any,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
    builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[approver]]))
    with django_capture_on_commit_callbacks(execute=True):
        session = ask(alice)
    session.refresh_from_db()
    assert session.status == Status.WAITING
    warning = LogEntry.objects.of_target(session).get(level=Level.WARNING)
    assert "E-mail could not be sent" in warning.message


def test_approvers_without_an_address_are_mentioned_in_the_log(alice: User, approver: User) -> None:
    approver.email = ""
    approver.save()
    builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[approver]]))
    session = ask(alice)
    assert (
        "nobody concerned has an e-mail address" in LogEntry.objects.of_target(session).get(level=Level.WARNING).message
    )


def test_all_resources_or_none(alice: User) -> None:
    builders.make_policy(users=[alice], resources=[builders.make_resource("web-1")])
    resources = [builders.make_resource("web-1"), builders.make_resource("db-1")]
    with pytest.raises(Refused, match="No access policy gives alice the activity Patch Linux on db-1"):
        request_sessions(alice, user=alice, activity=builders.make_activity(), resources=resources)
    assert not PrivilegedSession.objects.exists()


@pytest.mark.parametrize("values", [{"resources": 0}, {"resources": 51}])
def test_a_request_names_one_to_fifty_resources(alice: User, values: dict[str, int]) -> None:
    resources = [builders.make_resource(f"host-{number}") for number in range(values["resources"])]
    builders.make_policy(users=[alice])
    with pytest.raises(Refused) as refused:
        request_sessions(alice, user=alice, activity=builders.make_activity(), resources=resources)
    assert refused.value.field == "resources"


@pytest.mark.parametrize(
    ("profile", "values", "field"),
    [
        ({"notes_required": True}, {"notes": "  "}, "notes"),
        ({"ticket_required": True}, {}, "ticket_number"),
        ({}, {"notes": "x" * 1001}, "notes"),
        ({}, {"ticket_number": "x" * 81}, "ticket_number"),
        ({}, {"start_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "start_at"),
    ],
)
def test_what_is_missing_or_wrong_names_its_field(
    alice: User, profile: dict[str, Any], values: dict[str, Any], field: str
) -> None:
    builders.make_policy(users=[alice], profile=builders.make_profile("P", **profile))
    with pytest.raises(Refused) as refused:
        ask(alice, **values)
    assert refused.value.field == field
    assert not PrivilegedSession.objects.exists()


def test_the_same_session_is_not_asked_for_twice(alice: User) -> None:
    builders.make_policy(users=[alice])
    ask(alice)
    with pytest.raises(Refused, match="already"):
        ask(alice)


def test_it_may_be_asked_for_again_once_it_has_ended(alice: User) -> None:
    builders.make_policy(users=[alice])
    builders.make_session(alice, Status.COMPLETE)
    assert ask(alice).status == Status.PROVISIONING


def test_a_locked_account_asks_for_nothing(alice: User, admin: User) -> None:
    builders.make_policy(users=[alice])
    lock_account(admin, alice, title="Lost laptop")
    with pytest.raises(Refused, match="Lost laptop"):
        ask(alice)


def test_a_closed_resource_takes_no_new_session(alice: User, admin: User) -> None:
    builders.make_policy(users=[alice])
    lock_resource(admin, builders.make_resource(), title="Under repair")
    with pytest.raises(Refused, match="Under repair"):
        ask(alice)


def test_nobody_asks_for_somebody_else_but_administrators_for_applications(
    alice: User, admin: User, outsider: User
) -> None:
    principal = builders.make_application("backup-job").principal
    builders.make_policy(users=[alice, principal])
    with pytest.raises(Forbidden, match="your own"):
        ask(alice, actor=outsider)
    with pytest.raises(Forbidden, match="applications"):
        ask(alice, actor=admin)
    session = ask(principal, actor=admin)
    assert (session.user, session.requested_by) == (principal, admin)


def test_an_auditor_asks_for_nothing(auditor: User) -> None:
    builders.make_policy(users=[auditor])
    with pytest.raises(Forbidden, match="Auditors"):
        ask(auditor)


def test_a_tier_that_could_never_be_had_is_said_at_once(alice: User) -> None:
    builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[alice]]))
    with pytest.raises(Refused, match="needs 1, and nobody could approve"):
        ask(alice)


def test_the_policy_with_the_lowest_priority_number_counts(alice: User) -> None:
    group = Group.objects.create(name="Linux team")
    alice.groups.add(group)
    builders.make_policy("Slow", users=[alice], profile=builders.make_profile("Slow"), priority=50)
    builders.make_policy("Fast", groups=[group], profile=builders.make_profile("Fast"), priority=10)
    builders.make_policy("Off", users=[alice], profile=builders.make_profile("Off"), priority=1, is_active=False)
    assert ask(alice).profile.name == "Fast"


def test_only_what_policies_give_is_offered(alice: User, outsider: User) -> None:
    linux, windows = builders.make_activity(), builders.make_activity("Patch Windows", platform="windows")
    off = builders.make_activity("Retired", is_active=False)
    web, gone = builders.make_resource("web-1"), builders.make_resource("gone", is_active=False)
    builders.make_resource("not-given")
    builders.make_policy(users=[alice], activities=[linux, windows, off], resources=[web, gone])
    builders.make_policy("Again", users=[alice], activities=[linux], resources=[web])
    assert list(allowed_activities(alice)) == [linux]
    assert list(allowed_resources(alice, linux)) == [web]
    assert not allowed_resources(alice, windows).exists()
    assert not allowed_activities(outsider).exists()
    assert policies_for(alice, linux, [web])[web.pk].name == "Again"  # same priority: by name
    assert policies_for(outsider, linux, [web]) == {}


def test_asking_for_many_resources_costs_no_more_reads_than_for_two(alice: User, approver: User) -> None:
    activity = builders.make_activity()
    resources = [builders.make_resource(f"host-{number}") for number in range(22)]
    builders.make_policy(users=[alice], resources=resources, profile=builders.make_profile(tiers=[[approver]]))

    def reads(some: list[Resource]) -> int:
        user = User.objects.get(pk=alice.pk)  # nothing cached yet
        with CaptureQueriesContext(connection) as queries:
            request_sessions(user, user=user, activity=activity, resources=some)
        written = ("INSERT", "UPDATE", "SAVEPOINT", "RELEASE")
        return sum(not query["sql"].startswith(written) for query in queries)

    assert reads(resources[:2]) == reads(resources[2:])


@pytest.mark.parametrize(
    ("profile", "values", "is_refused"),
    [
        ({"confirm_at_connect": True}, {}, True),
        ({"confirm_at_start": True}, {"start_at": timezone.now() + dt.timedelta(days=1)}, True),
        ({"confirm_at_start": True}, {}, False),  # the administrator gives it
        ({}, {}, False),
    ],
)
def test_an_application_gets_no_session_that_asks_it_for_a_second_factor(
    admin: User, profile: dict[str, Any], values: dict[str, Any], is_refused: bool
) -> None:
    principal = builders.make_application("backup-job").principal
    builders.make_policy(users=[principal], profile=builders.make_profile("Careful", **profile))
    sent: dict[str, Any] = {"activity": builders.make_activity(), "resources": [builders.make_resource()], **values}
    if not is_refused:
        assert len(request_sessions(admin, user=principal, **sent)) == 1
        return
    with pytest.raises(Refused, match="Careful asks for a second factor, which an application cannot give"):
        request_sessions(admin, user=principal, **sent)
