"""Policy in the Django admin: refused where it could not work, kept while in use, logged with old and new value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.privileged.models import PrivilegedSession
from tests.support.administration import last, said, send
from tests.support.builders import make_activity, make_policy, make_profile, make_session

AsUser = Callable[[User], Client]


# --- policy


def profile_form(tiers: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    form: dict[str, Any] = {
        "name": "Strict",
        "maximum_duration": "01:00:00",
        "approval_timeout": "04:00:00",
        "extension_by": "00:30:00",
        "extension_limit": "1",
        "end_notice": "00:10:00",
        "recording_days": "0",
        "logon_monitor_interval": "30",
        "secret_view_timeout": "20",
        "tiers-TOTAL_FORMS": str(len(tiers)),
        "tiers-INITIAL_FORMS": "0",
        "tiers-MIN_NUM_FORMS": "0",
        "tiers-MAX_NUM_FORMS": "3",
    }
    for number, tier in enumerate(tiers):
        form |= {f"tiers-{number}-{name}": value for name, value in ({"required": 1} | tier).items()}
    return form | changes


def test_a_profile_is_made_with_its_tiers(boss: Client, approver: User, alice: User, admin: User) -> None:
    tiers = [{"order": 1, "users": [approver.pk, alice.pk], "required": 2}, {"order": 2, "users": [approver.pk]}]
    send(boss, "/admin/sessions_app/connectionprofile/add/", **profile_form(tiers))
    profile = ConnectionProfile.objects.get(name="Strict")
    assert [(tier.order, tier.required, tier.users.count()) for tier in profile.tiers.all()] == [(1, 2, 2), (2, 1, 1)]
    about_tiers = LogEntry.objects.filter(target_type="sessions_app.approvaltier", actor=admin)
    assert about_tiers.filter(verb=Verb.RECORD_ADDED).count() == 2
    assert about_tiers.filter(message__contains="added users alice, approver").exists()


@pytest.mark.parametrize(
    ("tiers", "reason"),
    [
        ([{"order": 2, "users": [1]}], "Number the tiers 1, 2, 3 without a gap"),
        ([{"order": 1, "users": [1]}, {"order": 3, "users": [1]}], "Number the tiers 1, 2, 3 without a gap"),
        ([{"order": 1}], "Tier 1 has no approver."),
        ([{"order": 1, "users": [1], "required": 2}], "Tier 1 needs 2 approvals, but it has only 1 approvers."),
        ([{"order": 1, "users": [1], "required": 0}], "greater than or equal to 1"),
        ([{"order": 1, "users": [1]}, {"order": 1, "users": [1]}], "duplicate"),
        ([{"order": n, "users": [1]} for n in (1, 2, 3, 4)], "less than or equal to 3"),
    ],
)
def test_tiers_that_no_request_could_pass_are_refused(
    boss: Client, approver: User, tiers: list[dict[str, Any]], reason: str
) -> None:
    mended = [tier | ({"users": [approver.pk]} if "users" in tier else {}) for tier in tiers]
    response = boss.post("/admin/sessions_app/connectionprofile/add/", profile_form(mended))
    assert response.status_code == 200
    assert reason in said(response)
    assert not ConnectionProfile.objects.filter(name="Strict").exists()


@pytest.mark.parametrize("duration", ["00:00:00", "-01:00:00", "soon", ""])
def test_a_profile_needs_a_duration_above_zero(boss: Client, duration: str) -> None:
    form = profile_form([], maximum_duration=duration)
    response = boss.post("/admin/sessions_app/connectionprofile/add/", form)
    assert response.status_code == 200
    assert not ConnectionProfile.objects.exists()


def test_a_resource_takes_only_connectors_that_are_there(boss: Client) -> None:
    form = {"name": "web-9", "platform": "linux", "port": "22", "address": "web-9.example.com", "is_active": "on"}
    form["service_auth"] = "certificate"
    response = boss.post("/admin/sessions_app/resource/add/", form | {"connector": "telepathy"})
    assert response.status_code == 200
    assert not Resource.objects.exists()
    send(boss, "/admin/sessions_app/resource/add/", **form, connector="practice")
    assert Resource.objects.get().connector == "practice"


def test_a_change_is_logged_with_old_and_new_value(boss: Client, admin: User, alice: User) -> None:
    policy = make_policy("Linux work", users=[alice], profile=make_profile("Short"))
    longer, group = make_profile("Long"), Group.objects.create(name="Team")
    send(
        boss,
        f"/admin/sessions_app/accesspolicy/{policy.pk}/change/",
        name="Linux work",
        priority=50,
        is_active="on",
        profile=longer.pk,
        users=[],
        groups=[group.pk],
        activities=[one.pk for one in policy.activities.all()],
        resources=[one.pk for one in policy.resources.all()],
    )
    entries = LogEntry.objects.filter(target_type="sessions_app.accesspolicy", target_id=policy.pk, actor=admin)
    values = entries.get(message__contains="priority")
    assert values.details == {
        "changes": {"priority": {"old": 100, "new": 50}, "profile": {"old": "Short", "new": "Long"}}
    }
    assert entries.get(message__contains="removed users").details == {"removed": {"users": ["alice"]}}
    assert entries.get(message__contains="added groups").details == {"added": {"groups": ["Team"]}}


def test_a_save_that_changes_nothing_is_not_logged(boss: Client) -> None:
    activity = make_activity()
    before = LogEntry.objects.count()
    send(
        boss,
        f"/admin/sessions_app/activity/{activity.pk}/change/",
        name=activity.name,
        platform=activity.platform,
        login_account_template=activity.login_account_template,
        grant_actions=activity.grant_actions,
        remove_actions=activity.remove_actions,
        kind=activity.kind,
        shell=activity.shell,
        is_active="on",
    )
    assert LogEntry.objects.count() == before


def test_a_policy_may_go_and_the_log_keeps_what_it_said(boss: Client, alice: User) -> None:
    policy = make_policy("Linux work", users=[alice])
    make_session(alice, policy=policy)
    send(boss, f"/admin/sessions_app/accesspolicy/{policy.pk}/delete/", post="yes", _agreed_to_end="1")
    assert not AccessPolicy.objects.exists()
    assert PrivilegedSession.objects.get().policy is None
    entry = last(Verb.RECORD_DELETED)
    assert entry.message == "Deleted access policy “Linux work”"
    assert entry.details["old"]["users"] == ["alice"]
    assert entry.details["old"]["resources"] == ["web-1"]
    assert entry.details["old"]["profile"] == "Profile of Linux work"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Resource, "“web-1” is used by 1 access policy, 1 privileged session. Nothing was deleted. Make it inactive"),
        (Activity, "“Patch Linux” is used by 1 access policy, 1 privileged session. Nothing was deleted."),
        (ConnectionProfile, "“Profile of Linux work” is used by 1 access policy, 1 privileged session."),
        (Group, "“Team” is used by 1 user, 1 approval tier, 1 access policy. Nothing was deleted. Take it out"),
    ],
)
def test_what_is_in_use_is_not_deleted_and_the_person_is_told_by_what(
    boss: Client, alice: User, model: Any, reason: str
) -> None:
    group = Group.objects.create(name="Team")
    alice.groups.add(group)
    policy = make_policy("Linux work", groups=[group])
    ApprovalTier.objects.create(profile=policy.profile, order=1).groups.add(group)
    make_session(alice, profile=policy.profile, policy=policy)
    thing = group if model is Group else model.objects.get()
    path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    for method in ("get", "post"):
        response = getattr(boss, method)(f"{path}{thing.pk}/delete/", {"post": "yes"}, follow=True)
        assert response.status_code == 200
        text = said(response)
        for part in reason.split(" is used by ")[1].replace(". ", ", ").split(", "):
            assert part.rstrip(".") in text
    assert model.objects.filter(pk=thing.pk).exists()
    boss.post(path, {"action": "delete_selected", "_selected_action": [thing.pk], "post": "yes"})
    assert model.objects.filter(pk=thing.pk).exists()


def test_what_nothing_uses_may_be_deleted(boss: Client, approver: User) -> None:
    profile = make_profile("Unused", [[approver]])
    send(boss, f"/admin/sessions_app/connectionprofile/{profile.pk}/delete/", post="yes")
    assert not ConnectionProfile.objects.exists()
    assert not ApprovalTier.objects.exists()
    deleted = LogEntry.objects.filter(verb=Verb.RECORD_DELETED).order_by("pk").values_list("message", flat=True)
    assert sorted(deleted) == ["Deleted approval tier “Unused tier 1”", "Deleted connection profile “Unused”"]


def test_an_address_of_nothing_leads_back_with_a_message(boss: Client) -> None:
    response = boss.get("/admin/sessions_app/resource/4711/delete/", follow=True)
    assert response.status_code == 200
    assert "doesn’t exist" in said(response)
