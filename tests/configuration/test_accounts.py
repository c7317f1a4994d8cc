"""Users, groups and applications on the console's own forms: no way up, nobody deleted, every change logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import LoginSession
from sessions_app.people import account_forms
from sessions_app.people.models import Application
from sessions_app.roles import ADMINISTRATORS, AUDITORS, is_administrator
from tests.support.administration import last, said
from tests.support.builders import make_application, make_login, make_policy, make_session, make_user
from tests.support.pages import elements, texts

AsUser = Callable[[User], Client]
NEW = "a long enough password"


@pytest.fixture
def root(db: None, as_user: AsUser) -> Client:
    return as_user(User.objects.create_superuser("root", password="root's own password"))


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    return {"username": user.username, "email": user.email, "is_active": "on"} | changes


def shown(*things: Any) -> str:
    return ",".join(str(thing.pk) for thing in things)


def fields(client: Client, path: str) -> set[str]:
    return set(client.get(path).context["form"].fields)


# --- users


def test_a_search_without_a_script_asks_for_the_password_once_more(boss: Client) -> None:
    page = boss.post("/users/add/", {"username": "carol", "password": NEW, "find": "groups"})
    assert (page.status_code, NEW in page.content.decode()) == (200, False)
    assert "Enter it once more" in page.content.decode()
    assert not User.objects.filter(username="carol").exists()


def test_a_user_is_added_with_groups_and_a_password(boss: Client, admin: User, client: Client) -> None:
    crew = Group.objects.create(name="Crew")
    form = {"username": "carol", "email": "carol@example.com", "password": NEW, "groups": [crew.pk], "is_active": "on"}
    page = boss.post("/users/add/", form, follow=True)
    carol = User.objects.get(username="carol")
    assert page.redirect_chain == [(f"/users/{carol.pk}/", 302)]
    assert list(carol.groups.all()) == [crew]
    assert client.login(username="carol", password=NEW)
    added = last(Verb.RECORD_ADDED)
    assert (added.message, added.actor) == ("Added user “carol”", admin)
    assert last(Verb.ROLE_CHANGED).message == "Changed user “carol”: added to groups Crew"


def test_a_user_without_a_password_cannot_log_in_yet(boss: Client) -> None:
    boss.post("/users/add/", {"username": "carol", "is_active": "on"})
    assert not User.objects.get(username="carol").has_usable_password()


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"username": ""}, "This field is required."),
        ({"username": "alice"}, "A user with that username already exists."),
        ({"username": "a b"}, "Enter a valid username."),
        ({"username": "carol", "password": "short"}, "This password is too short."),
        (
            {"username": "carol-the-first", "password": "carol-the-first"},
            "The password is too similar to the username.",
        ),
        ({"username": "carol", "email": "carol"}, "Enter a valid email address."),
        ({"username": "carol", "groups": ["999999"]}, "Search for it again."),
    ],
)
def test_what_cannot_be_is_refused_at_the_field(boss: Client, alice: User, form: dict[str, Any], reason: str) -> None:
    response = boss.post("/users/add/", form)
    assert response.status_code == 422
    assert reason in said(response)
    assert form.get("password") is None or f'value="{form["password"]}"' not in said(response).replace(
        f'value="{form["username"]}"', "", 1
    )
    assert User.objects.filter(username__startswith="carol").count() == 0


def test_the_password_is_hashed_before_the_transaction(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[int] = []
    outside = len(connection.savepoint_ids)

    def hashed(password: str | None) -> str:
        blocks.append(len(connection.savepoint_ids))
        return "!"

    monkeypatch.setattr(account_forms, "make_password", hashed)
    boss.post("/users/add/", {"username": "carol", "password": NEW, "is_active": "on"})
    assert blocks == [outside]


def test_disabling_a_user_logs_them_out_and_is_logged(boss: Client, alice: User) -> None:
    login = make_login(alice)
    boss.post(f"/users/{alice.pk}/change/", user_form(alice, is_active=""))
    alice.refresh_from_db()
    assert not alice.is_active
    assert not LoginSession.objects.live().filter(pk=login.pk).exists()
    assert last(Verb.RECORD_CHANGED).message == "Changed user “alice”: is_active"


def test_it_asks_before_open_sessions_end(boss: Client, alice: User) -> None:
    crew = Group.objects.create(name="Crew")
    alice.groups.add(crew)
    session = make_session(alice)
    alice.access_policies.all().delete()
    make_policy("By group", groups=[crew])
    form = user_form(alice, **{"groups-shown": shown(crew)})
    asked = boss.post(f"/users/{alice.pk}/change/", form)
    assert "This ends 1 open session" in said(asked)
    assert str(session) in said(asked)
    assert alice.groups.count() == 1
    boss.post(f"/users/{alice.pk}/change/", {**form, "_agreed_to_end": "1"})
    assert alice.groups.count() == 0


def test_nobody_changes_their_own_role(boss: Client, admin: User) -> None:
    assert not {"is_active", "groups", "is_superuser", "password"} & fields(boss, f"/users/{admin.pk}/change/")
    boss.post(f"/users/{admin.pk}/change/", {"username": "admin", "email": "new@x.org", "groups": [], "is_active": ""})
    admin = User.objects.get(pk=admin.pk)
    assert (admin.email, admin.is_active, is_administrator(admin)) == ("new@x.org", True, True)


def test_only_superusers_make_and_change_superusers(boss: Client, root: Client, alice: User) -> None:
    assert "is_superuser" not in fields(boss, f"/users/{alice.pk}/change/")
    boss.post(f"/users/{alice.pk}/change/", user_form(alice, is_superuser="on"))
    boss.post("/users/add/", {"username": "carol", "is_superuser": "on", "is_active": "on"})
    assert not User.objects.filter(is_superuser=True).exclude(username="root").exists()
    them = User.objects.get(username="root")
    for page in ("change", "password"):
        assert boss.get(f"/users/{them.pk}/{page}/").status_code == 403
        assert boss.post(f"/users/{them.pk}/{page}/", {"username": "me"}).status_code == 403
    assert "Change" not in texts(elements(boss.get(f"/users/{them.pk}/")), ".//div[@id='account-buttons']/a")
    root.post(f"/users/{alice.pk}/change/", user_form(alice, is_superuser="on"))
    alice.refresh_from_db()
    assert alice.is_superuser
    assert last(Verb.ROLE_CHANGED).user == alice


def test_users_have_no_address_to_delete_them(boss: Client, alice: User) -> None:
    assert boss.post(f"/users/{alice.pk}/delete/").status_code == 404
    assert "Delete" not in texts(elements(boss.get(f"/users/{alice.pk}/")), ".//div[@id='account-buttons']/a")


# --- passwords of others


def test_a_new_password_ends_the_logins_of_its_user(boss: Client, alice: User, admin: User) -> None:
    login = make_login(alice)
    path = f"/users/{alice.pk}/password/"
    page = boss.post(path, {"password1": NEW, "password2": NEW, "usable_password": "true"}, follow=True)
    assert "The password of alice was set, and their logins have ended." in said(page)
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert not LoginSession.objects.live().filter(pk=login.pk).exists()
    entry = last(Verb.PASSWORD_CHANGED)
    assert (entry.actor, entry.user) == (admin, alice)
    assert NEW not in str(list(LogEntry.objects.values_list("message", "details")))


def test_a_password_can_be_taken_away(boss: Client, alice: User) -> None:
    boss.post(f"/users/{alice.pk}/password/", {"usable_password": "false"})
    alice.refresh_from_db()
    assert not alice.has_usable_password()


@pytest.mark.parametrize(
    ("one", "two", "reason"), [(NEW, "other", "match"), ("x", "x", "too short"), ("", "", "required")]
)
def test_a_bad_password_changes_nothing(boss: Client, alice: User, one: str, two: str, reason: str) -> None:
    form = {"password1": one, "password2": two, "usable_password": "true"}
    response = boss.post(f"/users/{alice.pk}/password/", form)
    assert response.status_code == 422
    assert reason in said(response)
    before = alice.password
    alice.refresh_from_db()
    assert alice.password == before


def test_ones_own_password_is_changed_where_the_old_one_is_asked(boss: Client, admin: User) -> None:
    assert boss.get(f"/users/{admin.pk}/password/")["Location"] == "/accounts/password/"


def test_an_application_has_no_password(boss: Client) -> None:
    account = make_application().principal
    for page in ("password", "change"):
        assert boss.get(f"/users/{account.pk}/{page}/").status_code == 404


# --- groups


def test_members_are_chosen_on_the_group(boss: Client, admin: User, alice: User, outsider: User) -> None:
    boss.post("/groups/add/", {"name": "Crew", "members": [alice.pk]})
    crew = Group.objects.get(name="Crew")
    assert list(crew.user_set.all()) == [alice]
    form = {"name": "Crew 2", "members": [outsider.pk], "members-shown": shown(alice)}
    boss.post(f"/groups/{crew.pk}/change/", form)
    assert list(crew.user_set.all()) == [outsider]
    roles = (
        LogEntry.objects.filter(verb=Verb.ROLE_CHANGED, actor=admin)
        .order_by("pk")
        .values_list("user__username", "message")
    )
    assert list(roles) == [
        ("alice", "Changed user “alice”: added to groups Crew"),
        ("alice", "Changed user “alice”: removed from groups Crew 2"),
        ("outsider", "Changed user “outsider”: added to groups Crew 2"),
    ]


def test_a_search_among_the_members_saves_nothing(boss: Client, alice: User) -> None:
    form = {"name": "Crew", "members-search": "ALI", "find": "members"}
    response = boss.post("/groups/add/", form)
    assert response.status_code == 200
    assert "alice" in texts(elements(response), ".//ul[@class='chooser-found']//label")
    assert not Group.objects.filter(name="Crew").exists()


def test_a_role_keeps_its_name_and_is_never_deleted(boss: Client, admin: User, alice: User) -> None:
    role = Group.objects.get(name=AUDITORS)
    assert fields(boss, f"/groups/{role.pk}/change/") == {"members"}
    boss.post(f"/groups/{role.pk}/change/", {"name": "Helpers", "members": [alice.pk]})
    role.refresh_from_db()
    assert (role.name, list(role.user_set.all())) == (AUDITORS, [alice])
    refused = boss.post(f"/groups/{role.pk}/delete/")
    assert (refused.status_code, "is a role and is never deleted" in said(refused)) == (422, True)


def test_nobody_takes_their_own_rights_away_on_the_group(boss: Client, admin: User, root: Client, alice: User) -> None:
    role = Group.objects.get(name=ADMINISTRATORS)
    refused = boss.post(f"/groups/{role.pk}/change/", {"members": [], "members-shown": shown(admin)})
    assert (refused.status_code, "You cannot change your own groups." in said(refused)) == (422, True)
    crew = Group.objects.create(name="Crew")
    assert boss.post(f"/groups/{crew.pk}/change/", {"name": "Crew", "members": [admin.pk]}).status_code == 422
    them = User.objects.get(username="root")
    refused = boss.post(f"/groups/{crew.pk}/change/", {"name": "Crew", "members": [them.pk, alice.pk]})
    assert "Only a superuser changes the groups of root." in said(refused)
    assert crew.user_set.count() == 0
    assert role.user_set.get() == admin


def test_a_group_in_use_is_not_deleted(boss: Client, alice: User) -> None:
    crew, spare = Group.objects.create(name="Crew"), Group.objects.create(name="Spare")
    make_policy(groups=[crew])
    refused = boss.post(f"/groups/{crew.pk}/delete/")
    assert "“Crew” is used by 1 access policy. Nothing was deleted. Take it out of there first." in said(refused)
    assert boss.post(f"/groups/{spare.pk}/delete/")["Location"] == "/groups/"
    assert list(Group.objects.filter(name__in=["Crew", "Spare"])) == [crew]


def test_thousands_of_members_cost_as_many_queries_as_two(boss: Client, alice: User) -> None:
    crew = Group.objects.create(name="Crew")
    path, form = f"/groups/{crew.pk}/change/", {"name": "Crew", "members": [alice.pk]}

    def queries(method: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert method().status_code in (200, 302)
        return len(captured)

    people = User.objects.bulk_create(User(username=f"user-{number}") for number in range(1600))
    crew.user_set.add(*people[:30])
    queries(lambda: boss.get(path))
    few = queries(lambda: boss.get(path))
    crew.user_set.add(*people[:1500])
    assert queries(lambda: boss.get(path)) == few
    boss.post(path, form)
    assert crew.user_set.count() == 1501


# --- applications


def test_an_application_is_added_with_its_account(boss: Client, alice: User) -> None:
    crew = Group.objects.create(name="Robots")
    form = {"name": "deploy-bot", "description": "Deploys", "owner": "ALICE", "groups": [crew.pk], "is_active": "on"}
    page = boss.post("/applications/add/", form, follow=True)
    application = Application.objects.get()
    assert page.redirect_chain == [(f"/applications/{application.pk}/", 302)]
    assert (application.owner, application.principal.username) == (alice, "deploy-bot")
    assert not application.principal.has_usable_password()
    assert list(application.principal.groups.all()) == [crew]


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"name": "alice"}, "A user or an application has this name already."),
        ({"name": "a b"}, "Enter a valid username."),
        ({"name": "bot", "owner": "alcie"}, "There is no user “alcie”. Did you mean “alice”?"),
    ],
)
def test_an_application_that_cannot_be_is_refused(boss: Client, alice: User, form: Any, reason: str) -> None:
    response = boss.post("/applications/add/", form)
    assert (response.status_code, reason in said(response)) == (422, True)
    assert not Application.objects.exists()


def test_an_application_is_disabled_and_never_deleted(boss: Client) -> None:
    application = make_application()
    assert fields(boss, f"/applications/{application.pk}/change/") == {"description", "owner", "groups", "is_active"}
    boss.post(f"/applications/{application.pk}/change/", {"description": "Old"})
    application = Application.objects.get()
    assert (application.principal.is_active, application.description) == (False, "Old")
    assert boss.post(f"/applications/{application.pk}/delete/").status_code == 404


# --- who may


@pytest.mark.parametrize("path", ["/users/add/", "/groups/add/", "/applications/add/"])
def test_only_administrators_add(boss: Client, alice: User, auditor: User, as_user: AsUser, path: str) -> None:
    assert boss.get(path).status_code == 200
    for person in (alice, auditor):
        assert as_user(person).get(path).status_code == 403
        assert as_user(person).post(path, {"username": "x", "name": "x"}).status_code == 403


def test_the_lists_lead_to_the_forms(boss: Client, auditor: User, as_user: AsUser) -> None:
    make_user("carol")
    for plural, label in (("users", "Add a user"), ("groups", "Add a group"), ("applications", "Add an application")):
        assert label in texts(elements(boss.get(f"/{plural}/")), ".//a")
        assert label not in texts(elements(as_user(auditor).get(f"/{plural}/")), ".//a")
