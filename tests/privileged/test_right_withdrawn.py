"""Who loses the right to an open session loses the session too, and an administrator is told so before saving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.utils import timezone

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy, Activity, Resource
from sessions_app.errors import Refused
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import passes, reconcile
from tests.support import builders, pages
from tests.support.scene import ask, messages_of

AsUser = Callable[[User], Client]
NOT_GIVEN = "No access policy gives alice the activity Patch Linux on web-1."


def status_of(session: PrivilegedSession) -> str:
    session.refresh_from_db()
    return session.status


@pytest.fixture
def by_group(alice: User, outsider: User) -> list[PrivilegedSession]:
    """Return a session of alice by her group, and two (of outsider, and on web-2) by policies that no test changes."""
    group = Group.objects.create(name="Night shift")
    alice.groups.add(group)
    profile = builders.make_profile("Short", extension_limit=3)
    builders.make_policy("By group", groups=[group], profile=profile)
    builders.make_policy("By name", users=[outsider], profile=profile)
    other = builders.make_activity("Read logs")
    builders.make_policy(
        "Elsewhere", users=[alice], activities=[other], resources=[builders.make_resource("web-2")], profile=profile
    )
    sessions = [ask(alice), ask(outsider)]
    sessions.append(builders.make_session(alice, activity=other, resource=builders.make_resource("web-2")))
    reconcile()
    assert [status_of(one) for one in sessions] == [Status.AVAILABLE] * 3
    return sessions


def leave_the_group(alice: User) -> None:
    alice.groups.clear()


def policy_is_inactive(alice: User) -> None:
    AccessPolicy.objects.filter(name="By group").update(is_active=False)


def policy_is_deleted(alice: User) -> None:
    AccessPolicy.objects.get(name="By group").delete()


def policy_names_another_host(alice: User) -> None:
    AccessPolicy.objects.get(name="By group").resources.set([builders.make_resource("web-2")])


def policy_names_another_activity(alice: User) -> None:
    AccessPolicy.objects.get(name="By group").activities.set([builders.make_activity("Read logs")])


WITHDRAWN = [
    leave_the_group,
    policy_is_inactive,
    policy_is_deleted,
    policy_names_another_host,
    policy_names_another_activity,
]


@pytest.mark.parametrize("happen", WITHDRAWN)
def test_the_session_ends_in_one_pass_and_no_other_does(
    alice: User, by_group: list[PrivilegedSession], happen: Callable[[User], None]
) -> None:
    happen(alice)
    assert passes.due(timezone.now()) == [by_group[0].pk]
    reconcile()
    assert [status_of(one) for one in by_group] == [Status.CANCELED, Status.AVAILABLE, Status.AVAILABLE]
    assert by_group[0].end_reason == f"The right was withdrawn: {NOT_GIVEN}"
    assert practice.find_grant(by_group[0].pk) is None
    assert practice.find_grant(by_group[1].pk) is not None
    entry = LogEntry.objects.of_target(by_group[0]).get(verb=Verb.SESSION_CANCELING)
    assert (entry.level, entry.actor_name, entry.details["ends_as"]) == (Level.WARNING, "", "canceled")


@pytest.mark.parametrize(
    ("model", "reason"),
    [(Activity, "The activity Patch Linux is not active."), (Resource, "The resource web-1 is not active.")],
)
def test_activity_and_resource_that_become_inactive_end_what_stands_on_them(
    alice: User, by_group: list[PrivilegedSession], model: Any, reason: str
) -> None:
    model.objects.filter(name__in=("Patch Linux", "web-1")).update(is_active=False)
    reconcile()
    assert [status_of(one) for one in by_group] == [Status.CANCELED, Status.CANCELED, Status.AVAILABLE]
    assert by_group[0].end_reason == f"The right was withdrawn: {reason}"


def test_another_policy_that_gives_the_same_keeps_the_session(alice: User, by_group: list[PrivilegedSession]) -> None:
    builders.make_policy("Second way", users=[alice], priority=500)
    leave_the_group(alice)
    assert passes.due(timezone.now()) == []
    reconcile()
    assert status_of(by_group[0]) == Status.AVAILABLE


def test_a_locked_session_ends_too(alice: User, admin: User, by_group: list[PrivilegedSession]) -> None:
    lock(admin, by_group[0], title="Wait")
    leave_the_group(alice)
    reconcile()
    assert status_of(by_group[0]) == Status.CANCELED


def test_its_user_is_told(
    alice: User, by_group: list[PrivilegedSession], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    leave_the_group(alice)
    with django_capture_on_commit_callbacks(execute=True):
        reconcile()
    assert mail.outbox[-1].to == ["alice@example.com"]
    assert NOT_GIVEN in mail.outbox[-1].body


def test_a_policy_may_let_open_sessions_run_to_their_end(
    alice: User, admin: User, by_group: list[PrivilegedSession], as_user: AsUser
) -> None:
    AccessPolicy.objects.filter(name="By group").update(keeps_open_sessions=True)
    leave_the_group(alice)
    assert passes.due(timezone.now()) == []
    reconcile()
    assert status_of(by_group[0]) == Status.AVAILABLE
    for person in (alice, admin):
        with pytest.raises(Refused, match=r"No access policy gives alice .* whose right was withdrawn is not extended"):
            extend(person, by_group[0])
    by_group[0].refresh_from_db()
    assert by_group[0].extensions == 0
    client = as_user(alice)
    page = pages.elements(client.get(f"/sessions/{by_group[0].pk}/"))
    why_not = dict(zip(pages.texts(page, ".//dl/dt"), pages.texts(page, ".//dl/dd"), strict=True))
    assert why_not["Extend"] == f"{NOT_GIVEN} A session whose right was withdrawn is not extended."
    ids = [by_group[0].pk, by_group[2].pk]
    dialog = pages.elements(client.get("/sessions/do/extend/", {"ids": ids}))
    said = pages.text(dialog)
    assert said.count("The right to this session was withdrawn.") == 1
    assert status_of(by_group[0]) == Status.AVAILABLE


def test_a_policy_that_stops_keeping_them_ends_them(alice: User, by_group: list[PrivilegedSession]) -> None:
    AccessPolicy.objects.filter(name="By group").update(keeps_open_sessions=True)
    leave_the_group(alice)
    reconcile()
    AccessPolicy.objects.filter(name="By group").update(keeps_open_sessions=False)
    reconcile()
    assert status_of(by_group[0]) == Status.CANCELED


def test_an_extension_asks_the_policy_before_the_worker_has_looked(
    alice: User, by_group: list[PrivilegedSession]
) -> None:
    leave_the_group(alice)
    with pytest.raises(Refused, match="No access policy gives alice"):
        extend(alice, by_group[0])
    assert "extended" not in " ".join(messages_of(by_group[0]))


# --- the administration asks before it saves


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    return {
        "username": user.username,
        "email": user.email,
        "is_active": "on",
        "groups": [group.pk for group in user.groups.all()],
    } | changes


def policy_form(policy: AccessPolicy, **changes: Any) -> dict[str, Any]:
    return {
        "name": policy.name,
        "priority": policy.priority,
        "is_active": "on",
        "users": [one.pk for one in policy.users.all()],
        "groups": [one.pk for one in policy.groups.all()],
        "activities": [one.pk for one in policy.activities.all()],
        "resources": [one.pk for one in policy.resources.all()],
        "profile": policy.profile_id,
    } | changes


def change(thing: Any) -> str:
    return f"/admin/{thing._meta.app_label}/{thing._meta.model_name}/{thing.pk}/change/"


def without(form: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in form.items() if key != name}


def thing_form(thing: Any) -> dict[str, Any]:
    """Return the fields of the form for a resource or an activity, as the page fills them in."""
    skipped = ("id", "service_key", "is_active")
    names = [field.name for field in thing._meta.concrete_fields if field.name not in skipped]
    return {name: getattr(thing, name) for name in names}


def asked(response: Any) -> list[str]:
    """Return what the confirmation page lists. Fail if there is no such page."""
    assert response.status_code == 200
    page = pages.elements(response)
    assert "Nothing has been saved yet." in pages.text(page)
    return pages.texts(page, ".//div[@id='content']//li")


CHANGES: dict[str, Callable[[User], tuple[str, dict[str, Any]]]] = {
    "membership": lambda alice: (change(alice), without(user_form(alice), "groups")),
    "user inactive": lambda alice: (change(alice), without(user_form(alice), "is_active")),
    "policy inactive": lambda alice: _of_policy(lambda policy: without(policy_form(policy), "is_active")),
    "policy": lambda alice: _of_policy(
        lambda policy: policy_form(policy, groups=[], users=[builders.make_user("outsider").pk])
    ),
    "activity inactive": lambda alice: (change(builders.make_activity()), thing_form(builders.make_activity())),
    "resource inactive": lambda alice: (change(builders.make_resource()), thing_form(builders.make_resource())),
}


def _of_policy(form: Callable[[AccessPolicy], dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    policy = AccessPolicy.objects.get(name="By group")
    return change(policy), form(policy)


ENDS = {"user inactive": (0, 2), "activity inactive": (0, 1), "resource inactive": (0, 1)}  # which; others: the first


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_an_administrator_is_told_which_sessions_a_change_ends_before_it_is_saved(
    alice: User, admin: User, by_group: list[PrivilegedSession], as_user: AsUser, name: str
) -> None:
    client = as_user(admin)
    path, form = CHANGES[name](alice)
    entries = LogEntry.objects.count()
    response = client.post(path, form)
    ends = [by_group[number] for number in ENDS.get(name, (0,))]
    assert asked(response) == [f"{one} #{one.pk} (Available)" for one in ends]
    reconcile()
    assert [status_of(one) for one in by_group] == [Status.AVAILABLE] * 3  # nothing was saved
    assert LogEntry.objects.count() == entries
    sent = pages.fields(pages.elements(response), ".//form[@method='post']")
    assert client.post(path, sent).status_code == 302
    reconcile()
    assert [status_of(one) for one in by_group] == [
        Status.CANCELED if one in ends else Status.AVAILABLE for one in by_group
    ]


def test_deleting_a_policy_is_asked_about_too(
    alice: User, admin: User, by_group: list[PrivilegedSession], as_user: AsUser
) -> None:
    client = as_user(admin)
    policy = AccessPolicy.objects.get(name="By group")
    path = change(policy).replace("change", "delete")
    response = client.post(path, {"post": "yes"})
    assert asked(response) == [f"{by_group[0]} #{by_group[0].pk} (Available)"]
    assert AccessPolicy.objects.filter(pk=policy.pk).exists()
    assert client.post(path, pages.fields(pages.elements(response), ".//form[@method='post']")).status_code == 302
    assert not AccessPolicy.objects.filter(pk=policy.pk).exists()


def test_more_sessions_than_were_agreed_to_are_asked_about_again(
    alice: User, admin: User, by_group: list[PrivilegedSession], as_user: AsUser
) -> None:
    client = as_user(admin)
    path, form = CHANGES["resource inactive"](alice)
    assert len(asked(client.post(path, form | {"_agreed_to_end": "1"}))) == 2
    assert len(asked(client.post(path, form | {"_agreed_to_end": "x"}))) == 2
    assert Resource.objects.get(name="web-1").is_active


def test_what_runs_on_is_said_and_what_ends_nothing_is_saved_at_once(
    alice: User, admin: User, by_group: list[PrivilegedSession], as_user: AsUser
) -> None:
    client = as_user(admin)
    path, form = _of_policy(lambda policy: policy_form(policy, priority=7))
    assert client.post(path, form).status_code == 302
    AccessPolicy.objects.filter(name="By group").update(keeps_open_sessions=True)
    path, form = CHANGES["activity inactive"](alice)
    response = client.post(path, form)
    assert asked(response) == [f"{by_group[1]} #{by_group[1].pk} (Available)"]
    assert "1 other without a right runs to the end" in pages.text(pages.elements(response))
    path, form = CHANGES["membership"](alice)
    assert client.post(path, form).status_code == 302
    reconcile()
    assert status_of(by_group[0]) == Status.AVAILABLE


def test_a_session_that_is_being_provisioned_counts_as_open(alice: User, admin: User, as_user: AsUser) -> None:
    builders.make_policy("By group", users=[alice])
    session = ask(alice)
    other = builders.make_session(builders.make_user("outsider"))
    path, form = _of_policy(lambda policy: without(policy_form(policy), "is_active"))
    assert asked(as_user(admin).post(path, form)) == [f"{session} #{session.pk} (Provisioning)"]
    assert status_of(other) == Status.AVAILABLE
