"""An identity provider makes, changes, finds and disables users; what they have open ends with them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.login_rules.models import SignInSettings
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import ControlKind, ControlRequest, PrivilegedSession, Status
from tests.support import builders
from tests.support.scim import ScimClient, make_token


@pytest.fixture
def scim(admin: User) -> ScimClient:
    return ScimClient(make_token(admin))


NESTED: list[Any] = []
for _ in range(450):
    NESTED = [NESTED]


def active(value: object) -> dict[str, Any]:
    return {"op": "replace", "path": "active", "value": value}


def test_a_new_user_has_what_the_provider_said_and_no_password(scim: ScimClient) -> None:
    made = scim.make_user(
        "bjensen",
        externalId="42",
        name={"givenName": "Barbara", "familyName": "Jensen"},
        emails=[{"value": "home@example.com", "type": "home"}, {"value": "work@example.com", "type": "work"}],
        password="hunter2 hunter2",
        phoneNumbers=[{"value": "1"}],
    )
    user = User.objects.get(username="bjensen")
    assert (user.get_full_name(), user.email, user.is_active) == ("Barbara Jensen", "work@example.com", True)
    assert not user.has_usable_password()
    assert made["id"] == f"user-{user.pk}"
    assert made["meta"]["location"] == f"http://testserver/scim/v2/Users/user-{user.pk}"
    assert scim.get(f"Users/{made['id']}").json() == made
    entry = LogEntry.objects.get(verb=Verb.RECORD_ADDED, user=user)
    assert (entry.actor, entry.actor_name) == (None, "SCIM token “Directory”")
    assert "hunter2" not in str(list(LogEntry.objects.values()))


def test_disabling_ends_logins_requests_and_sessions_at_once(scim: ScimClient, alice: User) -> None:
    browser = Client()
    browser.force_login(alice)
    live = builders.make_session(alice, Status.LOGGED_IN)
    waiting = builders.make_session(alice, Status.WAITING, resource=builders.make_resource("web-2"))
    assert scim.patch(f"Users/user-{alice.pk}", active(False)).json()["active"] is False
    alice.refresh_from_db()
    assert not alice.is_active
    assert browser.get("/sessions/").status_code == 302
    assert LoginSession.objects.get(user=alice).end_reason == EndReason.DISABLED
    states = dict(PrivilegedSession.objects.values_list("pk", "status"))
    assert states == {live.pk: Status.CANCELING, waiting.pk: Status.CANCELED}
    assert ControlRequest.objects.get(session=live).kind == ControlKind.DISCONNECT
    entry = LogEntry.objects.get(verb=Verb.SESSION_TERMINATED)
    assert (entry.actor_name, entry.user) == ("SCIM token “Directory”", alice)
    # The same again changes nothing, and the account comes back when the provider says so.
    assert scim.patch(f"Users/user-{alice.pk}", active("False")).status_code == 200
    assert scim.patch(f"Users/user-{alice.pk}", active("True")).json()["active"] is True
    assert User.objects.get(pk=alice.pk).is_active


def test_a_deleted_user_is_disabled_and_comes_back_for_the_same_person_only(scim: ScimClient) -> None:
    made = scim.make_user("bjensen", externalId="42")
    group = scim.make_group("Linux team", made["id"])
    path = f"Users/{made['id']}"
    assert scim.send("DELETE", path).status_code == 204
    assert scim.get(path).status_code == 404
    assert scim.get('Users?filter=userName eq "bjensen"').json()["totalResults"] == 0
    assert "members" not in scim.get(f"Groups/{group['id']}").json()
    assert not User.objects.get(username="bjensen").is_active
    again = scim.send("POST", "Users", {"userName": "bjensen", "externalId": "43", "schemas": made["schemas"]})
    assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")
    assert "an administrator of the console enables it again" in again.json()["detail"]
    assert scim.make_user("bjensen", externalId="42")["id"] == made["id"]
    assert User.objects.get(username="bjensen").is_active


def test_a_lock_of_an_administrator_stays_whatever_the_provider_says(
    scim: ScimClient, admin: User, alice: User
) -> None:
    lock_account(admin, alice, title="Under review")
    for value in (False, True):
        assert scim.patch(f"Users/user-{alice.pk}", active(value)).status_code == 200
    assert AccountLock.objects.in_force().filter(user=alice).exists()


def test_a_removed_account_that_became_a_superuser_does_not_come_back(scim: ScimClient) -> None:
    made = scim.make_user("bjensen", externalId="42")
    scim.send("DELETE", f"Users/{made['id']}")
    User.objects.filter(username="bjensen").update(is_superuser=True)
    again = scim.send("POST", "Users", {"userName": "bjensen", "externalId": "42", "schemas": made["schemas"]})
    assert again.status_code == 403
    assert not User.objects.get(username="bjensen").is_active


def test_put_replaces_all_that_it_names_and_what_it_leaves_out(scim: ScimClient) -> None:
    made = scim.make_user("bjensen", externalId="42", displayName="Babs", emails=[{"value": "b@example.com"}])
    put = scim.send(
        "PUT", f"Users/{made['id']}", {"schemas": made["schemas"], "userName": "barbara", "externalId": "42"}
    )
    assert put.status_code == 200
    assert {"displayName", "emails"} & put.json().keys() == set()
    user = User.objects.get(username="barbara")
    assert (user.email, user.is_active) == ("", True)
    assert LogEntry.objects.filter(verb=Verb.RECORD_CHANGED, message__startswith="Renamed user").exists()


def test_what_microsoft_entra_sends_is_understood(scim: ScimClient) -> None:
    made = scim.make_user("bjensen")
    answer = scim.patch(
        f"Users/{made['id']}",
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "work@example.com"},
        {"op": "Replace", "value": {"name.givenName": "Barbara", "active": "False"}},
        {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "IT"},
    )
    assert answer.status_code == 200, answer.content
    user = User.objects.get(username="bjensen")
    assert (user.email, user.first_name, user.is_active) == ("work@example.com", "Barbara", False)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ('userName eq "ALICE"', ["alice"]),
        ('externalId eq "42"', ["bjensen"]),
        ('emails eq "alice@example.com"', ["alice"]),
        ('displayName eq "babs" and active eq true', ["bjensen"]),
        ("active eq false", []),
        ('userName eq "backup-job"', []),
        ('id eq "group-1"', []),
    ],
)
def test_filters(scim: ScimClient, alice: User, asked: str, found: list[str]) -> None:
    builders.make_application("backup-job")
    scim.make_user("bjensen", externalId="42", displayName="Babs")
    answer = scim.get(f"Users?filter={asked}").json()
    assert [each["userName"] for each in answer.get("Resources", [])] == found
    assert answer["totalResults"] == len(found)


@pytest.mark.parametrize(
    "asked", ['userName sw "a"', 'userName eq "a" or active eq true', "userName pr", "x eq 1", "("]
)
def test_a_filter_that_is_not_known_is_refused_in_words(scim: ScimClient, asked: str) -> None:
    answer = scim.get(f"Users?filter={asked}")
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidFilter")
    assert answer.json()["detail"]


def test_pages(scim: ScimClient) -> None:
    for number in range(5):
        builders.make_user(f"user{number}")
    page = scim.get("Users?startIndex=2&count=3&attributes=userName").json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (6, 2, 3)
    assert [each["userName"] for each in page["Resources"]] == ["user0", "user1", "user2"]
    assert page["Resources"][0].keys() == {"schemas", "id", "userName"}
    assert scim.get("Users?count=0").json()["Resources"] == []
    assert scim.get("Users?startIndex=7").json()["Resources"] == []


def test_a_list_costs_the_same_queries_for_many(scim: ScimClient, django_assert_max_num_queries: Any) -> None:
    group = Group.objects.create(name="Linux team")
    for number in range(20):
        builders.make_user(f"user{number}").groups.add(group)
    with django_assert_max_num_queries(6):  # the token, its limit and use, the number, the page, the groups
        assert len(scim.get("Users").json()["Resources"]) == 21
    with django_assert_max_num_queries(6):
        assert len(scim.get("Groups").json()["Resources"][0]["members"]) == 20


def test_entity_tags(scim: ScimClient, alice: User) -> None:
    path = f"Users/user-{alice.pk}"
    tag = scim.get(path)["ETag"]
    assert tag.startswith('W/"')
    assert scim.get(path, if_none_match=tag).status_code == 304
    assert scim.patch(path, active(True), if_match='W/"old"').status_code == 412
    assert scim.patch(path, {"op": "add", "path": "displayName", "value": "A"}, if_match=tag).status_code == 200
    assert scim.send("DELETE", path, if_match=tag).status_code == 412
    assert scim.get(path, if_none_match=tag)["ETag"] != tag
    assert User.objects.get(pk=alice.pk).is_active


def test_the_last_administrator_stays(scim: ScimClient, admin: User) -> None:
    path = f"Users/user-{admin.pk}"
    for answer in (scim.patch(path, active(False)), scim.send("DELETE", path)):
        assert answer.status_code == 403
        assert "no administrator any more" in answer.json()["detail"]
    assert User.objects.get(pk=admin.pk).is_active
    entry = LogEntry.objects.filter(verb=Verb.SCIM_REFUSED).latest("pk")
    assert (entry.actor_name, "no administrator" in entry.message) == ("SCIM token “Directory”", True)
    builders.make_admin("another")
    assert scim.patch(path, active(False)).status_code == 200


def test_superusers_and_accounts_for_emergencies_are_out_of_reach(scim: ScimClient, alice: User) -> None:
    root = User.objects.create_superuser("root", password=builders.PASSWORD)
    chosen = SignInSettings.current()
    chosen.save()
    chosen.break_glass_accounts.add(alice)
    for account in (root, alice):
        for answer in (
            scim.patch(f"Users/user-{account.pk}", active(False)),
            scim.send("DELETE", f"Users/user-{account.pk}"),
            scim.patch(f"Users/user-{account.pk}", {"op": "replace", "path": "userName", "value": "taken"}),
        ):
            assert answer.status_code == 403, answer.content
    assert User.objects.filter(username__in=("root", "alice"), is_active=True).count() == 2


def test_applications_are_not_there(scim: ScimClient) -> None:
    application = builders.make_application("backup-job")
    path = f"Users/user-{application.principal_id}"
    assert scim.get(path).status_code == 404
    assert scim.patch(path, active(False)).status_code == 404
    assert scim.send("DELETE", path).status_code == 404
    taken = scim.send(
        "POST", "Users", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Backup-Job"}
    )
    assert (taken.status_code, taken.json()["scimType"]) == (409, "uniqueness")
    assert User.objects.get(username="backup-job").is_active


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("POST", "{", 400),
        ("POST", "[]", 400),
        ("POST", {"userName": 7}, 400),
        ("POST", {"userName": "a b"}, 400),
        ("POST", {"userName": "x" * 151}, 400),
        ("POST", {"userName": "a\x00b"}, 400),
        ("POST", {"userName": "a\ud800b"}, 400),
        ("POST", {"userName": "fine", "unknown": NESTED}, 400),
        ("POST", '{"unknown": ' * 5000, 400),
        ("POST", {"userName": "fine", "emails": [{"value": "no address"}]}, 400),
        ("POST", {"userName": "fine", "externalId": "x" * 300}, 400),
        ("POST", {"userName": "fine", "emails": [{"value": f"a{n}@example.com"} for n in range(30)]}, 400),
        ("PUT", {"userName": "fine"}, 405),
    ],
)
def test_wrong_values_are_told_and_change_nothing(scim: ScimClient, method: str, body: Any, status: int) -> None:
    if isinstance(body, dict):
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], **body}
    answer = scim.send(method, "Users", body)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/scim+json")
    told = answer.json()
    assert (told["schemas"], told["status"]) == (["urn:ietf:params:scim:api:messages:2.0:Error"], str(status))
    assert told["detail"]
    assert User.objects.count() == 1


def test_half_characters_are_replaced_and_found_again(scim: ScimClient, alice: User) -> None:
    half = "b\ud800"
    sent = {"op": "replace", "value": {"displayName": half, "externalId": half, "name": {"givenName": half}}}
    assert scim.patch(f"Users/user-{alice.pk}", sent).json()["displayName"] == "b\ufffd"
    assert scim.get('Users?filter=externalId eq "b\\ud800"').json()["totalResults"] == 1
    assert scim.get('Users?filter=userName eq "b\\ud800"').json()["totalResults"] == 0


def test_operations_are_done_together_or_not_at_all(scim: ScimClient, alice: User) -> None:
    answer = scim.patch(f"Users/user-{alice.pk}", active(False), {"op": "remove", "path": "userName"})
    assert answer.status_code == 400
    assert User.objects.get(pk=alice.pk).is_active
