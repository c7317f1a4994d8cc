"""The Django admin: open to administrators, no way up, nothing leaves history, every change logged with old and new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import ProtectedError
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import Application
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import ADMINISTRATORS, is_administrator
from tests.support.administration import last, said, send
from tests.support.builders import (
    make_activity,
    make_application,
    make_login,
    make_policy,
    make_profile,
    make_resource,
    make_user,
)

AsUser = Callable[[User], Client]
MANAGED = ["resource", "activity", "connectionprofile", "accesspolicy", "application"]
PATHS = [f"/admin/sessions_app/{name}/" for name in MANAGED] + ["/admin/auth/user/", "/admin/auth/group/"]
NEW = "a long enough password"


@pytest.fixture
def root(db: None, as_user: AsUser) -> Client:
    return as_user(User.objects.create_superuser("root", password="root's own password"))


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    return {
        "username": user.username,
        "email": user.email,
        "is_active": "on" if user.is_active else "",
        "groups": [group.pk for group in user.groups.all()],
    } | changes


# --- who gets in


@pytest.mark.parametrize("path", ["/admin/", *PATHS])
def test_the_admin_is_open_to_administrators_only(
    client: Client, boss: Client, alice: User, auditor: User, as_user: AsUser, path: str
) -> None:
    assert boss.get(path).status_code == 200
    assert client.get(path, follow=True).redirect_chain[-1][0] == f"/accounts/login/?next={path}"
    for person in (alice, auditor, make_user("staff", is_staff=True)):
        response = as_user(person).get(path)
        assert response.status_code == 403
        assert "The administration is open to administrators." in said(response)


def test_there_is_one_login_page_and_one_password_page(client: Client, boss: Client) -> None:
    assert client.get("/admin/login/?next=/admin/auth/user/")["Location"] == "/accounts/login/?next=/admin/auth/user/"
    assert client.get("/admin/login/")["Location"] == "/accounts/login/?next=/admin/"
    assert boss.get("/admin/login/?next=/admin/auth/user/")["Location"] == "/admin/"
    assert boss.get("/admin/password_change/")["Location"] == "/accounts/password/"


def test_history_is_not_in_the_admin() -> None:
    for model in (LogEntry, PrivilegedSession, LoginSession):
        assert not django_admin.site.is_registered(model)


@pytest.mark.parametrize("path", PATHS)
def test_lists_search_and_cost_the_same_for_few_and_many(boss: Client, alice: User, path: str) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert boss.get(path, {"q": "e"}).status_code == 200
        return len(captured)

    def fill(number: int) -> None:
        make_policy(
            f"Policy {number}",
            profile=make_profile(f"Profile {number}", [[alice], [alice]]),
            activities=[make_activity(f"Activity {number}")],
            resources=[make_resource(f"resource-{number}")],
        )
        make_application(f"service-{number}")
        Group.objects.create(name=f"Team {number}")

    for number in range(3):
        fill(number)
    few = cost()
    for number in range(3, 12):
        fill(number)
    assert cost() == few


@pytest.mark.parametrize("path", PATHS)
def test_each_form_opens_for_a_new_and_for_a_known_object(boss: Client, alice: User, path: str) -> None:
    make_policy(users=[alice], profile=make_profile("Two tiers", [[alice], [alice]]))
    make_application()
    Group.objects.create(name="Team")
    assert boss.get(f"{path}add/").status_code == 200
    model = {name.rsplit("/", 2)[1]: name for name in PATHS}
    assert len(model) == len(PATHS)
    for one in django_admin.site._registry:
        if path.endswith(f"/{one._meta.model_name}/") and one._meta.app_label in path:
            pk = one._default_manager.latest("pk").pk
            assert boss.get(f"{path}{pk}/change/").status_code == 200


@pytest.mark.parametrize("model", ["user", "group", "resource", "activity", "connectionprofile"])
def test_fields_that_name_many_are_searched_as_one_types(boss: Client, alice: User, model: str) -> None:
    make_policy(users=[alice])
    app, name, field = {
        "user": ("sessions_app", "accesspolicy", "users"),
        "group": ("sessions_app", "accesspolicy", "groups"),
        "resource": ("sessions_app", "accesspolicy", "resources"),
        "activity": ("sessions_app", "accesspolicy", "activities"),
        "connectionprofile": ("sessions_app", "accesspolicy", "profile"),
    }[model]
    query = {"term": "i", "app_label": app, "model_name": name, "field_name": field}
    assert "results" in boss.get("/admin/autocomplete/", query).json()


# --- no way up


def test_an_administrator_cannot_make_a_superuser(boss: Client, alice: User) -> None:
    send(boss, f"/admin/auth/user/{alice.pk}/change/", **user_form(alice, is_superuser="on"))
    alice.refresh_from_db()
    assert not alice.is_superuser
    send(
        boss,
        "/admin/auth/user/add/",
        username="new",
        password1=NEW,
        password2=NEW,
        is_superuser="on",
        usable_password="true",
    )
    assert not User.objects.get(username="new").is_superuser


def test_an_administrator_cannot_change_a_superuser_or_their_password(boss: Client) -> None:
    root = User.objects.create_superuser("root", password="root's own password")
    assert boss.post(f"/admin/auth/user/{root.pk}/change/", user_form(root, username="me")).status_code == 403
    response = boss.post(f"/admin/auth/user/{root.pk}/password/", {"password1": NEW, "password2": NEW})
    assert response.status_code == 403
    stored = User.objects.get(pk=root.pk)
    assert stored.username == "root"
    assert stored.check_password("root's own password")


def test_a_superuser_may_make_another(root: Client, alice: User) -> None:
    send(root, f"/admin/auth/user/{alice.pk}/change/", **user_form(alice, is_superuser="on"))
    alice.refresh_from_db()
    assert alice.is_superuser
    entry = last(Verb.ROLE_CHANGED)
    assert entry.details == {"changes": {"is_superuser": {"old": False, "new": True}}}
    assert (entry.actor_name, entry.user) == ("root", alice)


def test_nobody_takes_their_own_rights_away_by_mistake(boss: Client, admin: User) -> None:
    send(boss, f"/admin/auth/user/{admin.pk}/change/", **user_form(admin, is_active="", groups=[], email="new@x.org"))
    stored = User.objects.get(pk=admin.pk)
    assert stored.email == "new@x.org"
    assert stored.is_active
    assert is_administrator(stored)


def test_the_two_roles_keep_their_names_and_permissions(boss: Client, root: Client) -> None:
    group = Group.objects.get(name=ADMINISTRATORS)
    permissions = set(group.permissions.values_list("pk", flat=True))
    for client in (boss, root):
        client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Helpers", "permissions": []})
        assert client.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"}).status_code == 403
    group.refresh_from_db()
    assert group.name == ADMINISTRATORS
    assert set(group.permissions.values_list("pk", flat=True)) == permissions


def test_an_administrator_gives_a_group_no_permissions(boss: Client) -> None:
    group = Group.objects.create(name="Team")
    permission = Group.objects.get(name=ADMINISTRATORS).permissions.first()
    assert permission is not None
    send(boss, f"/admin/auth/group/{group.pk}/change/", name="Team 2", permissions=[permission.pk])
    group.refresh_from_db()
    assert group.name == "Team 2"
    assert not group.permissions.exists()


# --- people


def test_users_cannot_be_deleted_and_the_page_says_what_to_do(boss: Client, root: Client, alice: User) -> None:
    for client in (boss, root):
        assert client.post(f"/admin/auth/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 403
        listed = client.post(
            "/admin/auth/user/", {"action": "delete_selected", "_selected_action": [alice.pk], "post": "yes"}
        )
        assert listed.status_code < 500
    assert User.objects.filter(pk=alice.pk).exists()
    assert "Users are never deleted" in said(boss.get(f"/admin/auth/user/{alice.pk}/change/"))


def test_taking_active_away_logs_the_person_out(boss: Client, alice: User, admin: User, as_user: AsUser) -> None:
    theirs = as_user(alice)
    send(boss, f"/admin/auth/user/{alice.pk}/change/", **user_form(alice, is_active=""))
    assert theirs.get("/")["Location"].startswith("/accounts/login/")
    entry = last(Verb.RECORD_CHANGED)
    assert entry.details == {"changes": {"is_active": {"old": True, "new": False}}}
    assert (entry.actor, entry.user) == (admin, alice)
    assert last(Verb.LOGOUT_FORCED).actor == admin


def test_a_new_password_logs_the_person_out_and_is_not_logged(
    boss: Client, alice: User, admin: User, as_user: AsUser
) -> None:
    theirs = as_user(alice)
    send(boss, f"/admin/auth/user/{alice.pk}/password/", password1=NEW, password2=NEW, usable_password="true")
    assert theirs.get("/")["Location"].startswith("/accounts/login/")
    assert boss.get("/").status_code == 200
    entry = last(Verb.PASSWORD_CHANGED)
    assert (entry.actor, entry.user) == (admin, alice)
    assert NEW not in str(list(LogEntry.objects.values()))
    assert "md5$" not in str(list(LogEntry.objects.values()))


def test_joining_and_leaving_a_role_is_logged_for_the_person(boss: Client, alice: User, admin: User) -> None:
    group = Group.objects.get(name=ADMINISTRATORS)
    send(boss, f"/admin/auth/user/{alice.pk}/change/", **user_form(alice, groups=[group.pk]))
    entry = last(Verb.ROLE_CHANGED)
    assert entry.message == "Changed user “alice”: added to groups Administrators"
    assert (entry.actor, entry.user) == (admin, alice)
    send(boss, f"/admin/auth/user/{alice.pk}/change/", **user_form(alice, groups=[]))
    assert last(Verb.ROLE_CHANGED).message == "Changed user “alice”: removed from groups Administrators"


def test_a_membership_changed_from_the_groups_side_names_each_person(alice: User, outsider: User) -> None:
    group = Group.objects.create(name="Team")
    group.user_set.add(alice, outsider)
    entries = LogEntry.objects.filter(verb=Verb.ROLE_CHANGED).order_by("pk")
    assert {entry.user for entry in entries} == {alice, outsider}
    group.user_set.clear()
    assert entries.filter(message__endswith="removed from groups Team").count() == 2


def test_an_application_is_made_by_its_name_without_a_password(boss: Client, alice: User) -> None:
    send(boss, "/admin/sessions_app/application/add/", name="deploy-bot", description="Deploys", owner=alice.pk)
    application = Application.objects.get()
    assert application.principal.username == "deploy-bot"
    assert not application.principal.has_usable_password()
    assert last(Verb.RECORD_ADDED).details["new"] == {
        "principal": "deploy-bot",
        "description": "Deploys",
        "owner": "alice",
    }
    page = send(boss, f"/admin/auth/user/{application.principal_id}/password/", password1=NEW, password2=NEW)
    assert "is an application and has no password. Nothing was changed." in page
    application.principal.refresh_from_db()
    assert not application.principal.has_usable_password()


@pytest.mark.parametrize("name", ["alice", "a b", "", "x" * 151, "<b>"])
def test_an_application_needs_a_name_of_its_own(boss: Client, alice: User, name: str) -> None:
    response = boss.post("/admin/sessions_app/application/add/", {"name": name, "description": "", "owner": ""})
    assert response.status_code == 200
    assert "Please correct the error" in said(response)
    assert not Application.objects.exists()


def test_an_application_keeps_its_account(boss: Client, alice: User) -> None:
    application = make_application()
    path = f"/admin/sessions_app/application/{application.pk}/"
    send(boss, f"{path}change/", principal=alice.pk, name="other", description="New words", owner="")
    application.refresh_from_db()
    assert (application.principal.username, application.description) == ("backup-job", "New words")
    assert boss.post(f"{path}delete/", {"post": "yes"}).status_code == 403


def test_a_login_in_the_history_keeps_its_user(alice: User) -> None:
    make_login(alice)
    with pytest.raises(ProtectedError):
        alice.delete()
