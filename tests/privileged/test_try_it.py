"""“May alice do Patch Linux on web-1?”: the answer of the rules, by which policy, or what stands in the way."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from sessions_app.catalogue.flows.resource import lock_resource
from sessions_app.catalogue.models import AccountKind, Activity, Resource
from sessions_app.errors import Refused
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.models import Status
from sessions_app.privileged.try_it import may, may_each, pairs_of, pairs_of_policies
from tests.support import builders


@pytest.fixture
def linux(db: None) -> Activity:
    return builders.make_activity()


@pytest.fixture
def web(db: None) -> Resource:
    return builders.make_resource()


def is_requested(user: User, activity: Activity, resource: Resource) -> bool:
    """Return whether a real request with notes and a ticket is accepted. Nothing is kept of it."""
    try:
        request_sessions(
            user, user=user, activity=activity, resources=[resource], notes="Update", ticket_number="CHG-1"
        )
    except Refused:
        return False
    return True


def test_yes_says_the_policy_the_profile_the_time_and_who_approves(
    alice: User, approver: User, linux: Activity, web: Resource
) -> None:
    leads = Group.objects.create(name="Leads")
    approver.groups.add(leads)
    profile = builders.make_profile("Strict", [[approver]], maximum_duration=dt.timedelta(hours=1), notes_required=True)
    profile.tiers.get().groups.add(leads)
    builders.make_policy(users=[alice], profile=profile)
    answer = may(alice, linux, web)
    assert answer.sentence == (
        "Yes, alice may do Patch Linux on web-1, by the access policy Linux work under the profile Strict."
    )
    assert answer.lines == [
        "It lasts at most 1 h 00 min.",
        "Approval 1: 1 of the group Leads, approver.",
        "Notes are required.",
        "The session begins when the approval is given.",
    ]
    assert is_requested(alice, linux, web)


def test_without_tiers_no_approval_is_needed(alice: User, linux: Activity, web: Resource) -> None:
    builders.make_policy(users=[alice])
    assert "No approval is needed." in may(alice, linux, web).lines


def test_the_policy_with_the_lowest_priority_number_counts(alice: User, linux: Activity, web: Resource) -> None:
    builders.make_policy("Second", users=[alice], priority=20)
    first = builders.make_policy("First", users=[alice], priority=10)
    builders.make_policy("Off", users=[alice], priority=1, is_active=False)
    assert may(alice, linux, web).policy == first


@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [
        ("disabled", "The account alice is disabled."),
        ("locked", "The account alice is locked: Lost laptop."),
        ("closed", "web-1 is closed to new sessions: Maintenance."),
        ("activity off", "The activity Patch Linux is not active."),
        ("resource off", "The resource web-1 is not active."),
        ("platform", "The activity Patch Linux is made for another platform than web-1."),
        ("running", "alice already has session"),
        ("tier", "The access policy Linux work cannot be followed: approval tier 1 needs 1, and nobody could approve "),
        ("auditor", "Auditors read everything and change nothing."),
    ],
)
def test_each_obstacle_is_said_and_refuses_a_real_request_too(
    alice: User, admin: User, auditor: User, linux: Activity, web: Resource, obstacle: str, reason: str
) -> None:
    asks = auditor if obstacle == "auditor" else alice
    tiers = [[alice]] if obstacle == "tier" else []
    builders.make_policy(users=[asks], profile=builders.make_profile(tiers=tiers))
    if obstacle == "disabled":
        alice.is_active = False
        alice.save()
    elif obstacle == "locked":
        lock_account(admin, alice, title="Lost laptop", message="")
    elif obstacle == "closed":
        lock_resource(admin, web, title="Maintenance", message="")
    elif obstacle == "activity off":
        linux.is_active = False
        linux.save()
    elif obstacle == "resource off":
        web.is_active = False
        web.save()
    elif obstacle == "platform":
        linux.platform = "windows"
        linux.save()
    elif obstacle == "running":
        builders.make_session(alice, resource=web, activity=linux)
    asks = User.objects.get(pk=asks.pk)
    answer = may(asks, linux, web)
    assert not answer.is_allowed
    assert answer.obstacle.startswith(reason)
    assert answer.sentence.startswith(f"No, {asks.username} may not do Patch Linux on web-1. {reason}")
    assert not is_requested(asks, linux, web)


def test_an_account_that_another_session_has_is_a_condition_and_not_a_no(
    alice: User, outsider: User, linux: Activity, web: Resource
) -> None:
    linux.login_account_template, linux.kind = "patcher", AccountKind.MANAGED
    linux.save()
    web.connector = "ssh"
    web.save()
    builders.make_policy(users=[alice])
    builders.make_session(outsider, Status.AVAILABLE, resource=web, activity=linux, login_account="patcher")
    answer = may(alice, linux, web)
    assert answer.is_allowed
    assert "The account patcher on web-1 is open for another session (until" in answer.lines[-1]


def test_without_a_policy_the_nearest_ones_say_what_they_lack(alice: User, linux: Activity, web: Resource) -> None:
    db, shell = builders.make_resource("db-1"), builders.make_activity("Root shell")
    crew = Group.objects.create(name="Crew")
    alice.groups.add(crew)
    builders.make_policy("Not here", groups=[crew], activities=[linux], resources=[db])
    builders.make_policy("Not this", users=[alice], activities=[shell], resources=[web], priority=50)
    builders.make_policy("Not her", activities=[linux], resources=[web], priority=70)
    builders.make_policy("Off", users=[alice], activities=[linux], resources=[web], is_active=False)
    builders.make_policy("Far away", activities=[shell], resources=[web])
    answer = may(alice, linux, web)
    assert answer.obstacle == "No access policy gives alice the activity Patch Linux on web-1."
    assert answer.lines == [
        "The access policy Off is not active.",
        "The access policy Not this names alice or a group of theirs and the resource web-1, but not the activity "
        "Patch Linux.",
        "The access policy Not her names the activity Patch Linux and the resource web-1, but not alice or a group of "
        "theirs.",
        "The access policy Not here names alice or a group of theirs and the activity Patch Linux, but not the "
        "resource web-1.",
    ]


def test_what_no_policy_names_at_all_is_said(alice: User, linux: Activity, web: Resource) -> None:
    builders.make_policy("Others", resources=[builders.make_resource("db-1")])
    assert may(alice, linux, web).lines == [
        "No active access policy names alice or a group of theirs.",
        "No active access policy names the resource web-1.",
    ]


def test_an_application_is_asked_for_by_administrators(linux: Activity, web: Resource) -> None:
    application = builders.make_application()
    builders.make_policy(users=[application.principal])
    assert may(application.principal, linux, web).is_allowed


def test_the_pairs_of_a_person_are_those_of_active_policies_on_the_same_platform(alice: User) -> None:
    linux, windows = builders.make_activity("A"), builders.make_activity("B", platform="windows")
    resources = [builders.make_resource("web-1"), builders.make_resource("win-1", platform="windows")]
    off = builders.make_resource("web-2", is_active=False)
    for name in ("One", "Two"):
        builders.make_policy(name, users=[alice], activities=[linux, windows], resources=[*resources, off])
    builders.make_policy("Off", users=[alice], activities=[linux], resources=[off], is_active=False)
    pairs = pairs_of(list(pairs_of_policies(alice)))
    assert [(activity.name, resource.name) for activity, resource in pairs] == [("A", "web-1"), ("B", "win-1")]


def test_pairs_are_not_put_together_from_several_policies(alice: User) -> None:
    for name in ("one", "two"):
        things: Any = {"activities": [builders.make_activity(name)], "resources": [builders.make_resource(name)]}
        builders.make_policy(name, users=[alice], **things)
    rows = list(pairs_of_policies(alice, Q(name__folded_contains="T") | Q(policies__activities__name="one")))
    assert [(activity.name, resource.name) for activity, resource in pairs_of(rows)] == [("one", "one"), ("two", "two")]


def test_many_answers_cost_as_many_queries_as_two(alice: User, approver: User) -> None:
    def queries(pairs: list[tuple[Activity, Resource]]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert all(answer.is_allowed for answer in may_each(User.objects.get(pk=alice.pk), pairs))
        return len(captured)

    pairs = []
    for number in range(20):
        activity, resource = builders.make_activity(f"A{number}"), builders.make_resource(f"web-{number}")
        profile = builders.make_profile(f"P{number}", [[approver], [approver]])
        builders.make_policy(
            f"Policy {number}", users=[alice], activities=[activity], resources=[resource], profile=profile
        )
        pairs.append((activity, resource))
    assert queries(pairs) == queries(pairs[:2])


# --- sessionadmin may


def ask(*names: str) -> str:
    out = StringIO()
    call_command("may", *names, stdout=out)
    return out.getvalue()


def test_the_command_says_yes_with_exit_code_0(alice: User, linux: Activity, web: Resource) -> None:
    builders.make_policy(users=[alice])
    assert ask("alice", "patch linux", "web-1").splitlines() == [
        "Yes, alice may do Patch Linux on web-1, by the access policy Linux work under the profile Profile of Linux "
        "work.",
        "It lasts at most 2 h 00 min.",
        "No approval is needed.",
    ]


def test_the_command_says_no_with_exit_code_1(
    alice: User, linux: Activity, web: Resource, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="The answer is no") as refused:
        call_command("may", "alice", "Patch Linux", "web-1")
    assert refused.value.returncode == 1
    assert "No access policy gives alice the activity Patch Linux on web-1." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("alcie", "Patch Linux", "web-1"), "There is no user “alcie”. Did you mean “alice”?"),
        (("alice", "Path Linux", "web-1"), "There is no activity “Path Linux”. Did you mean “Patch Linux”?"),
        (("alice", "Patch Linux", "zzz"), "There is no resource “zzz”."),
    ],
)
def test_the_command_names_what_it_does_not_know_with_exit_code_2(
    alice: User, linux: Activity, web: Resource, names: Any, said: str
) -> None:
    with pytest.raises(CommandError) as unknown:
        ask(*names)
    assert (str(unknown.value), unknown.value.returncode) == (said, 2)
