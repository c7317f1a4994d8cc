"""An access policy as a sentence: what it gives is told before, and what gives nobody anything is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy, Activity, ConnectionProfile, Resource
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.privileged.policy_effects import Selection, effects_of, selection_of
from tests.support.administration import last, said
from tests.support.builders import make_activity, make_policy, make_profile, make_resource, make_session, make_user
from tests.support.pages import elements, facts, text, texts

AsUser = Callable[[User], Client]
ADD = "/policies/add/"


@pytest.fixture
def parts(alice: User) -> dict[str, Any]:
    """Return a form that is complete: alice may do Patch Linux on web-1 under Two hours."""
    return {
        "users": [alice.pk],
        "activities": [make_activity().pk],
        "resources": [make_resource().pk],
        "profile": make_profile().pk,
        "priority": "100",
        "is_active": "on",
    }


def selection(policy: AccessPolicy, **changes: Any) -> Selection:
    found = selection_of(policy)
    values = {name: changes.get(name, getattr(found, name)) for name in found.__slots__}
    return Selection(**values)


# --- saving


def test_a_policy_is_added_and_gets_its_name_from_the_sentence(boss: Client, parts: dict[str, Any]) -> None:
    page = boss.post(ADD, parts, follow=True)
    policy = AccessPolicy.objects.get()
    assert policy.name == "alice: Patch Linux on web-1"
    assert page.redirect_chain == [(f"/policies/{policy.pk}/", 302)]
    assert [user.username for user in policy.users.all()] == ["alice"]
    assert last(Verb.RECORD_ADDED).message == "Added access policy “alice: Patch Linux on web-1”"
    boss.post(ADD, parts | {"priority": "50"})
    assert AccessPolicy.objects.get(priority=50).name == "alice: Patch Linux on web-1 (2)"
    boss.post(ADD, parts | {"name": "Linux work"})
    assert AccessPolicy.objects.filter(name="Linux work").exists()


def test_a_policy_that_gives_nobody_anything_any_more_can_be_switched_off(boss: Client) -> None:
    policy = make_policy(users=[], groups=[Group.objects.create(name="Empty")])
    form = {"name": policy.name, "profile": policy.profile_id, "priority": 100}
    assert boss.post(f"/policies/{policy.pk}/change/", {**form, "is_active": "on"}).status_code == 422
    assert boss.post(f"/policies/{policy.pk}/change/", form).status_code == 302
    policy.refresh_from_db()
    assert not policy.is_active
    nameless = boss.post(ADD, {"profile": policy.profile_id, "priority": 100})
    assert "Enter a name: none can be suggested yet." in text(elements(nameless))


def test_what_was_not_shown_stays_and_what_was_cleared_goes(boss: Client, alice: User, outsider: User) -> None:
    policy = make_policy(users=[alice, outsider])
    form = {"name": policy.name, "profile": policy.profile_id, "priority": 100, "is_active": "on"}
    boss.post(f"/policies/{policy.pk}/change/", {**form, "users-shown": f"{outsider.pk}"})
    assert list(policy.users.all()) == [alice]
    assert (policy.activities.count(), policy.resources.count()) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"users": []}, "Choose at least one person or group"),
        ({"users": [], "groups": ["empty"]}, "Nobody is a member of Empty, so that the policy gives nobody anything."),
        ({"resources": []}, "Choose at least one resource"),
        ({"activities": []}, "Choose at least one activity"),
        ({"resources": ["windows"]}, "the activities are for Linux, the resources are Windows."),
        ({"profile": ""}, "Choose the connection profile."),
        ({"priority": "high"}, "Enter a whole number."),
        ({"name": "Linux\x00work"}, "Null characters are not allowed."),
        ({"users": ["999999"]}, "Search for it again."),
    ],
)
def test_what_gives_nobody_anything_is_refused_with_the_reason(
    boss: Client, parts: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    keys = {
        "empty": Group.objects.create(name="Empty").pk,
        "windows": make_resource("win-1", platform="windows").pk,
    }
    sent = {name: [keys.get(each, each) for each in v] if isinstance(v, list) else v for name, v in changes.items()}
    response = boss.post(ADD, parts | sent)
    assert response.status_code == 422
    assert reason in said(response)
    assert not AccessPolicy.objects.exists()


def test_a_name_that_is_taken_opens_what_is_folded(boss: Client, parts: dict[str, Any]) -> None:
    make_policy("Linux work")
    response = boss.post(ADD, parts | {"name": "Linux work"})
    assert response.status_code == 422
    details = elements(response).find(".//details[@open]")
    assert "already exists" in text(details)


def test_it_asks_before_open_sessions_end_and_deletion_keeps_the_history(boss: Client, alice: User) -> None:
    session = make_session(alice)
    policy = AccessPolicy.objects.get()
    PrivilegedSession.objects.update(policy=policy)
    asked = boss.post(f"/policies/{policy.pk}/delete/")
    assert "This ends 1 open session" in said(asked)
    assert AccessPolicy.objects.exists()
    boss.post(f"/policies/{policy.pk}/delete/", {"_agreed_to_end": "1"})
    assert not AccessPolicy.objects.exists()
    session.refresh_from_db()
    assert session.policy is None


# --- what it gives


def test_the_form_says_what_it_gives_before_it_is_saved(
    boss: Client, alice: User, approver: User, parts: dict[str, Any]
) -> None:
    crew = Group.objects.create(name="Crew")
    crew.user_set.add(alice, make_user("bob"), make_user("gone", is_active=False))
    strict = make_profile("Strict", [[approver]])
    sent = {"groups": [crew.pk], "profile": strict.pk, "_show": "1"}
    page = elements(boss.post(ADD, parts | sent, headers={"HX-Request": "true"}))
    figures = facts(page)
    assert figures["People"] == "2"
    assert figures["Resources"] == "1"
    assert figures["Approval"] == "1 of approver"
    assert "1 of the accounts is disabled." in texts(page, ".//aside//li")
    assert not AccessPolicy.objects.exists()


def test_a_search_in_the_form_saves_nothing_and_keeps_what_is_chosen(boss: Client, parts: dict[str, Any]) -> None:
    make_resource("db-1")
    page = elements(boss.post(ADD, parts | {"resources-search": "DB", "find": "resources"}))
    ticked = [
        box.attrib["value"] for box in page.iter("input") if "checked" in box.attrib and box.get("name") == "resources"
    ]
    assert ticked == [str(parts["resources"][0])]
    assert "db-1 Linux" in texts(page, ".//ul[@class='chooser-found']//label")
    assert not AccessPolicy.objects.exists()


def test_the_address_can_choose_already(boss: Client, alice: User) -> None:
    page = elements(boss.get(f"{ADD}?users={alice.pk},x"))
    assert [box.attrib["value"] for box in page.iter("input") if "checked" in box.attrib and box.get("name") == "users"]


def test_who_decides_where_policies_overlap(alice: User, outsider: User) -> None:
    crew = Group.objects.create(name="Crew")
    crew.user_set.add(alice, outsider)
    linux, shell = make_activity(), make_activity("Root shell")
    web, db = make_resource(), make_resource("db-1")
    this = make_policy("This", groups=[crew], activities=[linux, shell], resources=[web, db], priority=50)
    make_policy("Before", users=[alice, outsider], activities=[linux], resources=[web, db], priority=10)
    make_policy("A name", users=[alice], groups=[crew], activities=[linux], resources=[web], priority=50)
    make_policy("Zero", users=[alice], activities=[shell], resources=[web], priority=50)
    make_policy("After", users=[alice], activities=[linux, shell], resources=[web], priority=60)
    make_policy("Others", users=[make_user("bob")], activities=[linux], resources=[web], priority=1)
    make_policy("Elsewhere", users=[alice], activities=[linux], resources=[make_resource("app-1")], priority=1)
    make_policy("Off", users=[alice], activities=[linux], resources=[web], priority=1, is_active=False)
    effects = effects_of(selection_of(this))
    assert (effects.people, effects.pairs, effects.combinations) == (2, 4, 8)
    assert [(one.policy.name, one.comes_first, one.combinations) for one in effects.overlaps] == [
        ("Before", True, 4),
        ("A name", True, 2),
        ("Zero", False, 1),
        ("After", False, 2),
    ]
    assert effects_of(selection(this, is_active=False)).overlaps == ()


def test_what_nobody_can_use_is_told(alice: User) -> None:
    windows = make_activity("Windows work", platform="windows")
    off, switch = make_resource("web-2", is_active=False), make_resource("sw-1", platform="network")
    crew = Group.objects.create(name="Nobody's")
    policy = make_policy(
        users=[alice], groups=[crew], activities=[make_activity(), windows], resources=[make_resource(), off, switch]
    )
    effects = effects_of(selection_of(policy))
    assert effects.unused == (
        "No chosen resource has the platform of Windows work.",
        "No chosen activity is for the platform of sw-1.",
        "Inactive, so that no session starts there: web-2.",
        "Nobody is a member of Nobody's.",
    )
    assert (effects.hosts, effects.pairs, effects.refusals) == (1, 1, ())


def test_hundreds_of_hosts_and_groups_cost_as_many_queries_as_two(alice: User) -> None:
    def queries(chosen: Selection) -> int:
        with CaptureQueriesContext(connection) as captured:
            effects_of(chosen)
        return len(captured)

    hosts = Resource.objects.bulk_create(Resource(name=f"host-{number}") for number in range(500))
    groups = Group.objects.bulk_create(Group(name=f"Group {number}") for number in range(50))
    people = User.objects.bulk_create(User(username=f"user-{number}") for number in range(100))
    for number, group in enumerate(groups):
        group.user_set.add(*people[number : number + 10])
    activities = [make_activity(), make_activity("Root shell")]
    few = make_policy("Few", users=[alice], groups=groups[:2], resources=hosts[:2], activities=activities[:1])
    for number in range(3):
        make_policy(f"Other {number}", groups=groups, resources=hosts, activities=activities)
    many = make_policy("Many", users=[alice], groups=groups, resources=hosts, activities=activities)
    assert queries(selection_of(many)) == queries(selection_of(few))
    effects = effects_of(selection_of(many))
    assert (effects.people, effects.hosts, effects.pairs) == (60, 500, 1000)
    assert {one.policy.name: one.combinations for one in effects.overlaps} == {
        "Few": 2 * 12,
        "Other 0": 59_000,
        "Other 1": 59_000,
        "Other 2": 59_000,
    }


def test_the_page_shows_the_sentence_and_what_it_gives(boss: Client, alice: User) -> None:
    crew = Group.objects.create(name="Crew")
    resources = [make_resource(f"web-{number}") for number in range(6)]
    policy = make_policy(users=[alice], groups=[crew], resources=resources)
    page = elements(boss.get(f"/policies/{policy.pk}/"))
    sentence = text(page.find(".//p[@class='policy-sentence']"))
    assert sentence.split(" under ")[0].endswith("web-3, and 2 more")
    assert sentence.startswith("Crew, alice may do Patch Linux on web-0, web-1,")
    assert facts(page)["Combinations"] == "6"
    assert "Change" in texts(page, ".//a")


# --- who may


def test_auditors_read_and_change_nothing(auditor: User, alice: User, as_user: AsUser) -> None:
    policy = make_policy(users=[alice])
    client = as_user(auditor)
    assert "Change" not in texts(elements(client.get(f"/policies/{policy.pk}/")), ".//a")
    for page in ("change", "delete"):
        assert client.get(f"/policies/{policy.pk}/{page}/").status_code == 403
        assert as_user(alice).get(f"/policies/{policy.pk}/{page}/").status_code == 404
    assert client.post(ADD, {"find": "users", "users-search": "a"}).status_code == 403


def test_the_form_costs_as_many_queries_for_many_as_for_few(boss: Client, alice: User) -> None:
    policy = make_policy(users=[alice], profile=ConnectionProfile.objects.create(name="P"))
    path = f"/policies/{policy.pk}/change/"

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert boss.get(path).status_code == 200
        return len(captured)

    Resource.objects.bulk_create(Resource(name=f"spare-{number}") for number in range(30))
    queries()
    few = queries()
    hosts = Resource.objects.bulk_create(Resource(name=f"host-{number}") for number in range(300))
    policy.resources.add(*hosts)
    Activity.objects.bulk_create(Activity(name=f"A{number}") for number in range(15))
    policy.activities.add(*Activity.objects.all())
    assert queries() == few
