"""Users, groups and applications: who finds which page, what it says, and that a list costs the same however long."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import log
from activity.verbs import Verb
from sessions_app.people.models import AccountLock
from sessions_app.privileged.models import Status
from tests.support import builders, pages

AsUser = Callable[[User], Client]
LISTS = ["/users/", "/groups/", "/applications/"]


def lock(user: User, by: User, title: str = "Left the company") -> AccountLock:
    return AccountLock.objects.create(user=user, title=title, message="Call the desk.", locked_by=by)


def download(client: Client, url: str) -> list[list[str]]:
    response = client.get(f"{url}{'&' if '?' in url else '?'}csv=1")
    assert response.status_code == 200
    return list(csv.reader(io.StringIO(pages.streamed(response).decode())))


@pytest.mark.parametrize("url", LISTS)
def test_a_list_is_for_who_sees_everything(as_user: AsUser, alice: User, auditor: User, admin: User, url: str) -> None:
    assert as_user(admin).get(url).status_code == 200
    assert as_user(auditor).get(url).status_code == 200
    refused = as_user(alice).get(url)
    assert refused.status_code == 403
    assert "Only administrators and auditors" in refused.content.decode()


def test_the_list_of_users_says_role_state_and_counts(as_user: AsUser, alice: User, auditor: User, admin: User) -> None:
    builders.make_session(alice, Status.AVAILABLE)
    builders.make_session(alice, Status.PENDING)
    builders.make_session(alice, Status.COMPLETE)
    builders.make_login(alice)
    builders.make_login(alice, ended_at=timezone.now(), end_reason="logout")
    lock(alice, admin)
    disabled = builders.make_user("bob", is_active=False)
    builders.make_application("backup-job")
    header, *rows = download(as_user(admin), "/users/")
    found = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert set(found) == {"admin", "alice", "auditor", disabled.username}
    assert found["alice"]["Role"] == "User"
    assert found["alice"]["State"] == "locked"
    assert (found["alice"]["Active sessions"], found["alice"]["Scheduled sessions"]) == ("1", "1")
    assert found["alice"]["Live logins"] == "1"
    assert found["admin"]["Role"] == "Administrator"
    assert found["auditor"]["Role"] == "Auditor"
    assert found["bob"]["State"] == "disabled"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("role=administrator", ["admin"]),
        ("role=auditor", ["auditor"]),
        ("state=locked", ["alice"]),
        ("q=ALI", ["alice"]),
        ("sort=-active&role=user", ["alice", "outsider"]),
        ("sort=user&role=user", ["alice", "outsider"]),
    ],
)
def test_users_are_found_by_role_state_and_name(
    as_user: AsUser, alice: User, outsider: User, auditor: User, admin: User, query: str, expected: list[str]
) -> None:
    builders.make_session(alice)
    lock(alice, admin)
    page = as_user(admin).get(f"/users/?{query}")
    names = [str(row) for row in page.context["listing"].page.rows]
    assert names == expected


def test_users_are_found_by_group(as_user: AsUser, alice: User, outsider: User, admin: User) -> None:
    team = Group.objects.create(name="Linux team")
    team.user_set.add(alice)
    page = as_user(admin).get(f"/users/?group={team.pk}")
    assert [str(row) for row in page.context["listing"].page.rows] == ["alice"]


@pytest.mark.parametrize(
    "query", ["role=king", "state=asleep", "group=0", "group=x", "sort=password", "page=2", "after=x"]
)
def test_an_unknown_value_is_told_and_not_ignored(as_user: AsUser, admin: User, query: str) -> None:
    assert as_user(admin).get(f"/users/?{query}").status_code == 400


def test_a_group_counts_members_and_their_sessions_once(
    as_user: AsUser, alice: User, approver: User, admin: User
) -> None:
    team, other = Group.objects.create(name="Linux team"), Group.objects.create(name="Others")
    team.user_set.add(alice, approver)
    other.user_set.add(alice)
    builders.make_session(alice)
    builders.make_session(approver)
    builders.make_session(approver, Status.PENDING)
    rows = {row[0]: row[1:] for row in download(as_user(admin), "/groups/")}
    assert rows["Linux team"] == ["2", "2", "1"]
    assert rows["Others"] == ["1", "1", "0"]


def test_an_application_is_listed_with_its_owner(as_user: AsUser, alice: User, admin: User) -> None:
    application = builders.make_application("backup-job")
    application.owner = alice
    application.save(update_fields=["owner"])
    builders.make_session(application.principal)
    rows = {row[0]: row for row in download(as_user(admin), "/applications/")}
    assert rows["backup-job"][2:] == ["alice", "active", "1", "0"]


def test_a_person_sees_their_own_page_and_nobody_elses(as_user: AsUser, alice: User, outsider: User) -> None:
    group = Group.objects.create(name="Linux team")
    application = builders.make_application()
    client = as_user(alice)
    own = client.get(f"/users/{alice.pk}/")
    assert own.status_code == 200
    assert "Lock account" not in own.content.decode()
    for other in (f"/users/{outsider.pk}/", f"/groups/{group.pk}/", f"/applications/{application.pk}/", "/users/999/"):
        assert client.get(other).status_code == 404, other
        assert client.get(other, headers={"HX-Request": "true"}).status_code == 404, other
        assert client.get(other, {"csv": "1"}).status_code == 404, other


def test_an_account_page_shows_its_lock_and_how_to_lift_it(as_user: AsUser, alice: User, admin: User) -> None:
    lock(alice, admin)
    page = as_user(admin).get(f"/users/{alice.pk}/").content.decode()
    assert "Left the company" in page
    assert "Call the desk." in page
    assert f'href="/users/{alice.pk}/unlock/"' in page
    assert f'href="/users/{alice.pk}/lock/"' not in page


def test_an_auditor_sees_the_buttons_with_the_reason_why_not(as_user: AsUser, alice: User, auditor: User) -> None:
    page = as_user(auditor).get(f"/users/{alice.pk}/").content.decode()
    assert 'aria-disabled="true" title="Auditors read everything and change nothing."' in page
    assert f'href="/users/{alice.pk}/cut/"' not in page


def test_administrators_cannot_lock_themselves(as_user: AsUser, admin: User) -> None:
    page = as_user(admin).get(f"/users/{admin.pk}/").content.decode()
    assert "You cannot lock or cut your own account" in page
    assert f'href="/users/{admin.pk}/lock/"' not in page


def test_each_tab_lists_what_concerns_the_person_only(
    as_user: AsUser, alice: User, outsider: User, admin: User
) -> None:
    mine, theirs = builders.make_session(alice), builders.make_session(outsider)
    my_login, their_login = builders.make_login(alice), builders.make_login(outsider)
    log.record(Verb.LOGIN, "alice was here", actor=alice)
    log.record(Verb.LOGIN, "outsider was here", actor=outsider)
    client = as_user(admin)

    def rows(tab: str) -> list[int]:
        page = client.get(f"/users/{alice.pk}/?tab={tab}")
        assert page.status_code == 200
        return [row.pk for row in page.context["listing"].page.rows]

    assert rows("sessions") == [mine.pk]
    assert theirs.pk not in rows("sessions")
    assert rows("logins") == [my_login.pk]
    assert their_login.pk not in rows("logins")
    entries = client.get(f"/users/{alice.pk}/?tab=activity").content.decode()
    assert "alice was here" in entries
    assert "outsider was here" not in entries


def test_a_group_page_lists_what_its_members_do_and_who_they_are(
    as_user: AsUser, alice: User, approver: User, outsider: User, auditor: User
) -> None:
    team, second = Group.objects.create(name="Linux team"), Group.objects.create(name="Second")
    for group in (team, second):
        group.user_set.add(alice, approver)
    sessions = {builders.make_session(alice).pk, builders.make_session(approver).pk}
    builders.make_session(outsider)
    logins = {builders.make_login(approver).pk}
    builders.make_login(outsider)
    log.record(Verb.SESSION_APPROVED, "approver approved", actor=approver, user=alice)
    log.record(Verb.LOGIN, "outsider was here", actor=outsider)
    client = as_user(auditor)
    url = f"/groups/{team.pk}/"
    assert {row.pk for row in client.get(url).context["listing"].page.rows} == sessions
    assert {row.pk for row in client.get(f"{url}?tab=logins").context["listing"].page.rows} == logins
    assert [str(row) for row in client.get(f"{url}?tab=members").context["listing"].page.rows] == ["alice", "approver"]
    entries = client.get(f"{url}?tab=activity")
    assert entries.content.decode().count("approver approved") == 1
    assert "outsider was here" not in entries.content.decode()
    assert client.get(f"/users/{alice.pk}/?tab=members").status_code == 400


def test_an_application_has_the_page_and_its_principal_leads_there(as_user: AsUser, alice: User, admin: User) -> None:
    application = builders.make_application()
    session = builders.make_session(application.principal)
    builders.make_session(alice)
    client = as_user(admin)
    page = client.get(f"/applications/{application.pk}/")
    assert [row.pk for row in page.context["listing"].page.rows] == [session.pk]
    assert f'href="/users/{application.principal_id}/lock/"' in page.content.decode()
    away = client.get(f"/users/{application.principal_id}/")
    assert (away.status_code, away["Location"]) == (302, f"/applications/{application.pk}/")


@pytest.mark.parametrize("tab", ["sessions", "logins", "activity"])
def test_a_tab_comes_as_page_as_fragment_and_as_download(as_user: AsUser, alice: User, tab: str) -> None:
    client = as_user(alice)
    url = f"/users/{alice.pk}/?tab={tab}"
    assert pages.text(pages.elements(client.get(url)).find(".//h1")).startswith("alice")
    fragment = client.get(url, headers={"HX-Request": "true"})
    assert b"<h1>" not in fragment.content
    assert b'id="results"' in fragment.content
    again = client.get(url, headers={"HX-Request": "true", "If-None-Match": fragment["ETag"]})
    assert again.status_code == 304
    assert download(client, url)


def test_an_unknown_tab_is_told(as_user: AsUser, alice: User) -> None:
    page = as_user(alice).get(f"/users/{alice.pk}/?tab=secrets")
    assert page.status_code == 400
    assert "no tab called “secrets”" in page.content.decode()


@pytest.mark.parametrize(
    "url",
    [
        *LISTS,
        "/groups/{group}/",
        "/groups/{group}/?tab=logins",
        "/groups/{group}/?tab=activity",
        "/groups/{group}/?tab=members",
    ],
)
def test_a_list_costs_the_same_queries_with_2_and_with_20_rows(as_user: AsUser, admin: User, url: str) -> None:
    client = as_user(admin)
    counts = []
    for count in (2, 20):
        team = _many(count)
        address = url.format(group=team.pk)
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def _many(count: int) -> Group:
    """Create at least `count` users in one group, each with a session, a login and an application."""
    team, _ = Group.objects.get_or_create(name="Linux team")
    for number in range(count):
        user = builders.make_user(f"user-{count}-{number}")
        user.groups.add(team)
        builders.make_session(user)
        builders.make_login(user, key_hash=f"{count:032x}{number:032x}")
        builders.make_application(f"job-{count}-{number}")
        Group.objects.create(name=f"group-{count}-{number}").user_set.add(user)
    return team
