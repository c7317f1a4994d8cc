"""Groups drive what people may do: the provider fills them, and a right that is gone ends the sessions that it gave."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.roles import ADMINISTRATORS
from tests.support import builders
from tests.support.scim import ScimClient, make_token


@pytest.fixture
def scim(admin: User) -> ScimClient:
    return ScimClient(make_token(admin))


def members(group: str) -> list[str]:
    return sorted(User.objects.filter(groups__name=group).values_list("username", flat=True))


def test_members_come_and_go(scim: ScimClient, alice: User, outsider: User) -> None:
    made = scim.make_group("Linux team", f"user-{alice.pk}")
    assert members("Linux team") == ["alice"]
    path = f"Groups/{made['id']}"
    add = {"op": "Add", "path": "members", "value": [{"value": f"user-{outsider.pk}"}]}
    assert scim.patch(path, add).status_code == 200
    assert members("Linux team") == ["alice", "outsider"]
    assert scim.patch(path, {"op": "remove", "path": f'members[value eq "user-{alice.pk}"]'}).status_code == 200
    assert members("Linux team") == ["outsider"]
    # As Microsoft Entra ID does it
    assert scim.patch(path, {"op": "Remove", "path": "members", "value": add["value"]}).status_code == 200
    assert members("Linux team") == []
    entry = LogEntry.objects.filter(verb=Verb.ROLE_CHANGED, user=outsider).latest("pk")
    assert entry.actor_name == "SCIM token “Directory”"
    assert scim.get(f"Users/user-{alice.pk}").json().get("groups") is None


def test_an_application_in_a_group_stays_there(scim: ScimClient, alice: User) -> None:
    group = Group.objects.create(name="Linux team")
    group.user_set.add(builders.make_application("backup-job").principal, alice)
    shown = scim.get(f"Groups/group-{group.pk}").json()
    assert [each["value"] for each in shown["members"]] == [f"user-{alice.pk}"]
    put = scim.send("PUT", f"Groups/group-{group.pk}", {"schemas": shown["schemas"], "displayName": "Linux team"})
    assert put.status_code == 200
    assert members("Linux team") == ["backup-job"]


def test_roles_are_not_there_unless_a_setting_names_them(
    scim: ScimClient, alice: User, admin: User, settings: Any
) -> None:
    role = Group.objects.get(name=ADMINISTRATORS)
    path = f"Groups/group-{role.pk}"
    assert scim.get(path).status_code == 404
    assert scim.get("Groups").json()["totalResults"] == 0
    assert "groups" not in scim.get(f"Users/user-{admin.pk}").json()
    taken = scim.send(
        "POST", "Groups", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "administrators"}
    )
    assert taken.status_code == 409
    settings.SCIM_ROLE_GROUPS = [ADMINISTRATORS]
    add = {"op": "add", "path": "members", "value": [{"value": f"user-{alice.pk}"}]}
    assert scim.patch(path, add).status_code == 200
    assert members(ADMINISTRATORS) == ["admin", "alice"]
    assert scim.patch(path, {"op": "replace", "path": "displayName", "value": "Others"}).status_code == 403
    assert scim.send("DELETE", path).status_code == 403
    # Somebody stays an administrator.
    assert scim.patch(path, {"op": "remove", "path": "members"}).status_code == 403
    assert members(ADMINISTRATORS) == ["admin", "alice"]


def test_a_group_with_the_permission_of_a_role_is_a_role(scim: ScimClient, admin: User) -> None:
    group = Group.objects.create(name="Operations")
    group.permissions.add(*Group.objects.get(name=ADMINISTRATORS).permissions.filter(codename="administer"))
    assert scim.get(f"Groups/group-{group.pk}").status_code == 404


def test_the_groups_of_a_superuser_are_out_of_reach(scim: ScimClient) -> None:
    root = User.objects.create_superuser("root", password=builders.PASSWORD)
    made = scim.make_group("Linux team")
    add = {"op": "add", "path": "members", "value": [{"value": f"user-{root.pk}"}]}
    answer = scim.patch(f"Groups/{made['id']}", add)
    assert (answer.status_code, "root" in answer.json()["detail"]) == (403, True)
    assert members("Linux team") == []


def test_a_removed_group_is_deleted_or_emptied_if_a_policy_names_it(scim: ScimClient, alice: User) -> None:
    made = scim.make_group("Linux team", f"user-{alice.pk}")
    used = scim.make_group("Database team", f"user-{alice.pk}")
    builders.make_policy(groups=[Group.objects.get(name="Database team")])
    for group in (made, used):
        assert scim.send("DELETE", f"Groups/{group['id']}").status_code == 204
        assert scim.get(f"Groups/{group['id']}").status_code == 404
    assert not Group.objects.filter(name="Linux team").exists()
    assert Group.objects.filter(name="Database team").exists()
    assert members("Database team") == []
    assert scim.make_group("Database team")["id"] == used["id"]


def test_the_console_deletes_a_group_that_scim_made(scim: ScimClient, boss: Client) -> None:
    made = scim.make_group("Linux team")
    assert boss.post(f"/groups/{made['id'].partition('-')[2]}/delete/").status_code == 302
    assert scim.get(f"Groups/{made['id']}").status_code == 404


@pytest.mark.parametrize("member", ["user-999999", "group-1", "nonsense", "user-"])
def test_an_unknown_member_is_refused(scim: ScimClient, member: str) -> None:
    made = scim.make_group("Linux team")
    answer = scim.patch(f"Groups/{made['id']}", {"op": "add", "path": "members", "value": [{"value": member}]})
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")


def test_filters(scim: ScimClient, alice: User) -> None:
    made = scim.make_group("Linux team", f"user-{alice.pk}")
    for asked in ('displayName eq "LINUX team"', f'members eq "user-{alice.pk}"', f'id eq "{made["id"]}"'):
        found = scim.get(f"Groups?filter={asked}&excludedAttributes=members").json()["Resources"]
        assert [each["displayName"] for each in found] == ["Linux team"]
        assert "members" not in found[0]


def test_groups_are_found_by_several_members_and_none_by_a_number_that_is_none(
    scim: ScimClient, alice: User, outsider: User
) -> None:
    scim.make_group("Empty")
    scim.make_group("Linux team", f"user-{alice.pk}", f"user-{outsider.pk}")
    scim.make_group("Other", f"user-{alice.pk}")
    both = f'members eq "user-{alice.pk}" and members.value eq "user-{outsider.pk}"'
    assert [each["displayName"] for each in scim.get(f"Groups?filter={both}").json()["Resources"]] == ["Linux team"]
    for member in ("nonsense", "group-1", "user-999999"):
        assert scim.get(f'Groups?filter=members eq "{member}"').json()["totalResults"] == 0
