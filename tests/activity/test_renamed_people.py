"""People are found by their account, whatever they were called at the time, and a name that two had in turn says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.models import LogEntry, PastName
from sessions_app.gateway.recordings.models import RecordingText
from sessions_app.privileged.models import Status
from tests.support import builders, pages
from tests.support.entries import download, make_entry
from tests.support.recordings import make_recording

AsUser = Callable[[User], Client]


class Renamed:
    """anna worked here and is bea now; her old name went to another person, who works here too. carol never changed."""

    def __init__(self) -> None:
        self.group = Group.objects.create(name="Everybody")
        builders.make_policy(groups=[self.group])
        self.first, self.carol = builders.make_user("anna"), builders.make_user("carol")
        self.work(self.first)
        self.work(self.carol)
        self.first.username = "bea"
        self.first.save()
        self.second = builders.make_user("anna")
        self.work(self.second)

    def work(self, user: User) -> None:
        """Create a row in every list, with the name that `user` has now."""
        user.groups.add(self.group)
        session = builders.make_session(user, Status.COMPLETE, notes=f"work of {user.username}")
        builders.make_session(user, Status.AVAILABLE)
        builders.make_login(user)
        recording = make_recording(session)
        RecordingText.objects.create(recording=recording, at=1.0, text="needle in a haystack")
        make_entry(f"{user.username} did it", actor=user, user=user, target_type=session._meta.label_lower)


@pytest.fixture
def renamed(db: None) -> Renamed:
    return Renamed()


LISTS = (
    "/sessions/?tab=historical",
    "/sessions/?tab=active",
    "/logins/?state=live",
    "/recordings/?started_from=2020-01-01",
    "/recordings/?q=needle",
    "/activity/?activity=did",
)


def users(client: Client, address: str, **parameters: str) -> list[str]:
    """Return what the list shows in the column User, sorted."""
    answer = client.get(address + "".join(f"&{name}={value}" for name, value in parameters.items()))
    assert answer.status_code == 200
    return sorted(row["User"] for row in pages.table(pages.elements(answer)))


@pytest.mark.parametrize("address", LISTS)
def test_a_renamed_person_is_found_by_the_name_of_now(
    as_user: AsUser, admin: User, renamed: Renamed, address: str
) -> None:
    client = as_user(admin)
    assert users(client, address, user="bea") == ["anna now bea"]
    assert users(client, address, user="carol") == ["carol"]


@pytest.mark.parametrize("address", LISTS)
def test_a_name_that_two_had_in_turn_offers_both(as_user: AsUser, admin: User, renamed: Renamed, address: str) -> None:
    client = as_user(admin)
    assert users(client, address, user="anna") == ["anna", "anna now bea"]
    page = pages.elements(client.get(f"{address}&user=anna"))
    offered = {pages.text(link): link.get("href", "") for link in page.findall(".//p[@id='alike']/a")}
    assert set(offered) == {f"anna #{renamed.second.pk}", f"bea #{renamed.first.pk}"}
    stored = {name: value for name, value in parse_qs(urlsplit(address).query).items() if name != "user"}
    for name, shown in ((f"anna #{renamed.second.pk}", ["anna"]), (f"bea #{renamed.first.pk}", ["anna now bea"])):
        alone = client.get(offered[name])
        assert stored.items() <= parse_qs(urlsplit(offered[name]).query).items()
        assert [row["User"] for row in pages.table(pages.elements(alone))] == shown
        assert pages.elements(alone).find(".//p[@id='alike']") is None
    assert pages.elements(client.get(f"{address}&user=carol")).find(".//p[@id='alike']") is None


@pytest.mark.parametrize("address", LISTS)
def test_a_download_holds_the_same_people_and_their_names_of_now(
    as_user: AsUser, admin: User, renamed: Renamed, address: str
) -> None:
    rows = download(as_user(admin).get(f"{address}&user=anna&csv=1"))
    assert sorted((row["User"], row["User now"]) for row in rows) == [("anna", ""), ("anna", "bea")]
    rows = download(as_user(admin).get(f"{address}&user=anna %23{renamed.second.pk}&csv=1"))
    assert [(row["User"], row["User now"]) for row in rows] == [("anna", "")]


@pytest.mark.parametrize(
    ("address", "name"), [(LISTS[0], "q"), (LISTS[1], "q"), (LISTS[2], "q"), ("/activity/?period=7d", "activity")]
)
def test_the_search_knows_the_names_of_now(
    as_user: AsUser, admin: User, renamed: Renamed, address: str, name: str
) -> None:
    client = as_user(admin)
    for word in ("bea", "BEA", "ea"):
        assert "anna now bea" in users(client, address, **{name: word})
        assert "carol" not in users(client, address, **{name: word})


def test_no_list_costs_more_queries_for_more_renamed_people(as_user: AsUser, admin: User, renamed: Renamed) -> None:
    client = as_user(admin)

    def queries() -> list[int]:
        counts = []
        for address in LISTS:
            with CaptureQueriesContext(connection) as captured:
                client.get(f"{address}&user=anna")
            counts.append(len(captured))
        return counts

    queries()  # who reads the log is logged at first
    few = queries()
    for number in range(5):
        renamed.work(renamed.second)
        renamed.second.username = f"anna-{number}"
        renamed.second.save()
    renamed.second.username = "anna"
    renamed.second.save()
    assert queries() == few


def test_the_suggestions_name_both_and_say_who_they_are_now(as_user: AsUser, admin: User, renamed: Renamed) -> None:
    def suggested(text: str) -> dict[str, str]:
        page = pages.elements(as_user(admin).get("/activity/users/", {"q": text}))
        return {option.get("value", ""): option.get("label", "") for option in page.iter("option")}

    assert suggested("ann") == {f"anna #{renamed.second.pk}": "anna, now", f"anna #{renamed.first.pk}": "anna, now bea"}
    assert suggested("bea") == {"bea": ""}
    assert suggested("carol") == {"carol": ""}
    assert users(as_user(admin), LISTS[0], user=f"anna %23{renamed.first.pk}") == ["anna now bea"]


def test_the_suggestions_of_logins_are_the_names_of_now(as_user: AsUser, admin: User, renamed: Renamed) -> None:
    page = pages.elements(as_user(admin).get("/logins/"))
    values = [option.get("value") for option in page.findall(".//datalist[@id='user-list']/option")]
    assert values == ["admin", "anna", "bea", "carol"]


def test_the_summary_counts_the_account(as_user: AsUser, admin: User, renamed: Renamed) -> None:
    for name, said, count in (
        ("bea", "Sessions of bea", "1"),
        ("anna", "Sessions of anna and bea", "2"),
        (f"anna #{renamed.second.pk}", "Sessions of anna", "1"),
    ):
        page = pages.elements(as_user(admin).get("/activity/summary/", {"user": name}))
        assert any(head.startswith(f"{said} started") for head in pages.texts(page, ".//h2"))
        assert pages.text(page.find(".//dl[@class='summary-figures']/dd")) == count


def test_one_session_one_entry_and_one_recording_say_both_names(as_user: AsUser, admin: User, renamed: Renamed) -> None:
    client = as_user(admin)
    session = renamed.first.privileged_sessions.filter(status=Status.COMPLETE).get()
    entry = LogEntry.objects.get(message="anna did it", user=renamed.first)
    recording = session.recordings.get()
    for address in (
        f"/sessions/{session.pk}/",
        f"/activity/{entry.pk}/",
        f"/recordings/{recording.pk}/",
    ):
        assert "anna now bea" in pages.text(pages.elements(client.get(address))), address


def test_a_rename_is_logged_by_both_names(as_user: AsUser, admin: User, alice: User) -> None:
    client = as_user(admin)
    form = {"username": "dave", "email": alice.email, "is_active": "on"}
    assert client.post(f"/admin/auth/user/{alice.pk}/change/", form).status_code == 302
    form |= {"username": "erin", "email": "erin@example.org"}
    assert client.post(f"/admin/auth/user/{alice.pk}/change/", form).status_code == 302
    group = Group.objects.create(name="Team")
    group.name = "Scheduler"
    group.save()
    resource = builders.make_resource()
    resource.name, resource.port = "web-2", 2222
    resource.save()
    assert [entry.message for entry in LogEntry.objects.filter(message__startswith="Renamed").order_by("pk")] == [
        "Renamed user “alice” to “dave”",
        "Renamed user “dave” to “erin”; changed email",
        "Renamed group “Team” to “Scheduler”",
        "Renamed resource “web-1” to “web-2”; changed port",
    ]
    page = pages.elements(client.get("/activity/", {"activity": "renamed alice"}))
    assert [row["Message"] for row in pages.table(page)] == ["Renamed user “alice” to “dave”"]


def test_what_a_change_would_end_is_said_with_both_names(as_user: AsUser, admin: User, renamed: Renamed) -> None:
    client = as_user(admin)
    session = renamed.first.privileged_sessions.get(status=Status.AVAILABLE)
    form = {"username": "bea", "email": renamed.first.email, "groups": [renamed.group.pk]}
    page = pages.elements(client.post(f"/admin/auth/user/{renamed.first.pk}/change/", form))
    said = f"{session} #{session.pk} now bea (Available)"
    assert pages.texts(page, ".//div[@id='content']//li") == [said]
    page = pages.elements(client.get("/sessions/do/terminate/", {"ids": session.pk}))
    assert f"{session} now bea" in pages.text(page)


def test_a_download_says_whose_name_is_of_now(as_user: AsUser, admin: User, renamed: Renamed) -> None:
    client = as_user(admin)
    rows = download(client.get("/sessions/?tab=historical&user=bea&csv=1"))
    assert [(row["User"], row["User now"], row["Requested by (now)"]) for row in rows] == [("anna", "bea", "bea")]
    session = renamed.first.privileged_sessions.get(status=Status.AVAILABLE)
    assert "Requested by anna now bea" in pages.text(pages.elements(client.get(f"/sessions/{session.pk}/")))


def test_ones_own_login_is_found_from_ones_account_page_after_a_rename(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    admin.username = "root-of-all"
    admin.save()
    builders.make_user("admin")
    page = pages.elements(client.get("/accounts/me/"))
    link = next(a.get("href", "") for a in page.iter("a") if "live" in pages.text(a))
    assert users(client, link) == ["admin now root-of-all"]


def test_names_are_kept_however_somebody_is_renamed(as_user: AsUser, admin: User, alice: User) -> None:
    def past() -> list[tuple[int, str]]:
        return sorted(PastName.objects.values_list("user_id", "name"))

    client = as_user(admin)
    form = {"username": "alina", "email": alice.email, "is_active": "on"}
    assert client.post(f"/admin/auth/user/{alice.pk}/change/", form).status_code == 302
    assert past() == [(alice.pk, "alice")]
    alice.refresh_from_db()
    alice.last_name = "Smith"
    alice.save()
    alice.save(update_fields=["last_login"])
    assert past() == [(alice.pk, "alice")]
    for name in ("alice", "alina", "alice"):
        alice.username = name
        alice.save(update_fields=["username"])
    assert past() == [(alice.pk, "alice"), (alice.pk, "alina")]
    assert users(client, "/logins/?state=all", user="alina") == []
    builders.make_login(alice)
    assert users(client, "/logins/?state=all", user="alina") == ["alice"]


@pytest.mark.parametrize("name", ["#1", "anna #", "anna #x", "anna #99999999999999999999", "#", "anna #0"])
def test_a_number_that_is_no_accounts_finds_nobody(as_user: AsUser, admin: User, renamed: Renamed, name: str) -> None:
    client = as_user(admin)
    for address in LISTS[:5]:
        answer = client.get(address, {**one_each(address), "user": name})
        assert answer.status_code == 200
        assert "carol" not in [row["User"] for row in pages.table(pages.elements(answer))]
    assert client.get("/activity/", {"user": name}).status_code in (200, 400)


def one_each(address: str) -> dict[str, Any]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
