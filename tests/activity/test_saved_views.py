"""Saved views: what one keeps of a list, who sees it, and how the list opens with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity.models import ListPreference, LogEntry, SavedView, ViewMark
from activity.saved_views import flows
from activity.verbs import Verb
from sessions_app.privileged.models import Status
from tests.support import builders, pages
from tests.support.entries import ago, make_entry
from tests.support.races import at_once

AsUser = Callable[[User], Client]
LISTS = (
    "/sessions/?tab=historical",
    "/logins/",
    "/activity/?period=1y",
    "/users/",
    "/groups/",
    "/resources/",
    "/policies/",
)


def save(client: Client, address: str, name: str, **more: str) -> Any:
    """Save a view as the menu above the list does, and return the answer."""
    page = client.get(address)
    assert page.status_code == 200, page.content.decode()
    return client.post("/views/save/", {**hidden_fields(page), "name": name, **more})


def hidden_fields(page: Any) -> dict[str, str]:
    form = next(one for one in pages.elements(page).iter("form") if one.get("action") == "/views/save/")
    found = {one.get("name", ""): one.get("value", "") for one in form.iter("input") if one.get("type") == "hidden"}
    return {name: found[name] for name in ("next", "list")}


def saved(name: str) -> SavedView:
    return SavedView.objects.get(name=name)


def query_of(response: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(response["Location"]).query)


@pytest.mark.parametrize("address", LISTS)
def test_a_view_of_any_list_keeps_its_filters_and_order_without_its_page(
    as_user: AsUser, admin: User, address: str
) -> None:
    client = as_user(admin)
    assert save(client, address, "Mine").status_code == 302
    opened = client.get(f"/views/{saved('Mine').pk}/")
    assert query_of(opened) == {**parse_qs(urlsplit(address).query), "view": [str(saved("Mine").pk)]}
    page = client.get(opened["Location"])
    assert page.status_code == 200
    chip = pages.elements(page).find(".//li[@id='view-chip']")
    assert pages.text(chip) == "View Mine Show everything"


def test_a_view_shows_its_columns_and_leaves_those_of_the_list_alone(as_user: AsUser, admin: User) -> None:
    builders.make_session(admin)
    client = as_user(admin)
    ListPreference.objects.create(
        user=admin, table="sessions", hidden=["user"], widths={"host": 300}, order=["status", "requested"]
    )
    save(client, "/sessions/?status=locked", "Narrow")
    ListPreference.objects.filter(user=admin).delete()
    view = saved("Narrow")
    assert (view.hidden, view.widths, view.order) == (["user"], {"host": 300}, ["status", "requested"])

    def headings(address: str) -> list[str]:
        head = pages.elements(client.get(address)).iter("th")
        return [one.get("data-column", "") for one in head if one.get("data-column")]

    with_view = headings(f"/sessions/?view={view.pk}")
    assert "user" not in with_view
    assert with_view[0] == "status"
    assert "user" in headings("/sessions/")
    # What one changes while the view is shown, changes neither the view nor the list before one says so.
    client.post(f"/activity/columns/{view.columns_key}/", {"shown": ["host", "status"], "all": "host status user end"})
    assert "end" not in headings(f"/sessions/?view={view.pk}")
    assert "end" in headings("/sessions/")
    view.refresh_from_db()
    assert view.hidden == ["user"]
    page = client.get(f"/sessions/?view={view.pk}&status=locked")
    assert "changed" in pages.text(pages.elements(page).find(".//li[@id='view-chip']"))
    client.post("/views/save/", {**hidden_fields(page), "update": str(view.pk)})
    view.refresh_from_db()
    assert view.hidden == ["user", "end"]
    assert not ListPreference.objects.filter(user=admin, table=view.columns_key).exists()


def test_update_keeps_what_is_shown_now(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    save(client, "/sessions/?status=locked", "Locked")
    view = saved("Locked")
    page = client.get(f"/sessions/?view={view.pk}&status=locked&status_is=not&host=web")
    assert client.post("/views/save/", {**hidden_fields(page), "update": str(view.pk)}).status_code == 302
    view.refresh_from_db()
    assert view.query == "status=locked&status_is=not&host=web"
    assert LogEntry.objects.filter(verb__startswith="view.").count() == 0  # nobody else sees it


def test_names_are_unique_for_each_person_and_what_was_typed_stays(as_user: AsUser, admin: User, auditor: User) -> None:
    client = as_user(admin)
    save(client, "/sessions/", "Mine")
    again = save(client, "/logins/", "MINE", is_default="on")
    assert again.status_code == 422
    assert "You have a view called “MINE” already" in again.content.decode()
    kept = {one.get("name"): one.get("value") for one in pages.elements(again).iter("input")}
    assert kept["name"] == "MINE"
    assert kept["is_default"] == "on"
    assert SavedView.objects.count() == 1
    assert save(as_user(auditor), "/sessions/", "Mine").status_code == 302
    assert save(client, "/sessions/", " ").status_code == 422
    assert save(client, "/sessions/", "x" * 61).status_code == 422


def test_a_view_leads_to_the_list_that_it_was_made_of_and_nowhere_else(as_user: AsUser, alice: User) -> None:
    client = as_user(alice)
    fields = hidden_fields(client.get("/sessions/"))
    for wrong in ({"next": "/accounts/logout/"}, {"next": "/sessions/do/lock/"}, {"list": "x"}, {"list": ""}):
        assert client.post("/views/save/", {**fields, **wrong, "name": "Mine"}).status_code == 422, wrong
    assert not SavedView.objects.exists()


def test_a_default_opens_the_list_and_everything_is_one_click_away(as_user: AsUser, admin: User) -> None:
    builders.make_session(admin)
    builders.make_session(admin, Status.LOCKED)
    client = as_user(admin)
    save(client, "/sessions/?status=locked", "Locked", is_default="on")
    opened = client.get("/sessions/", follow=True)
    assert len(pages.table(pages.elements(opened))) == 1
    chip = pages.elements(opened).find(".//li[@id='view-chip']")
    assert pages.text(chip) == "View Locked your default Show everything"
    everything = pages.elements(opened).find(".//a[@id='show-everything']")
    assert everything is not None
    shown = client.get(everything.get("href", ""))
    assert len(pages.table(pages.elements(shown))) == 2
    assert pages.elements(shown).find(".//li[@id='view-chip']") is None
    # An address with filters, a part of the page and a download are what they say.
    assert client.get("/sessions/?status=locked").status_code == 200
    assert client.get("/sessions/", headers={"HX-Request": "true"}).status_code == 200
    assert client.get("/sessions/?csv=1").status_code == 200
    save(client, "/sessions/?view=all", "Other", is_default="on")  # one default for each list
    assert ViewMark.objects.get(user=admin, is_default=True).view == saved("Other")
    client.post(f"/views/{saved('Other').pk}/mark/", {"mark": "no-default"})
    assert client.get("/sessions/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_defaults_that_are_chosen_at_the_same_time_one_stays(admin: User) -> None:
    views = [SavedView.objects.create(owner=admin, name=f"View {n}", path="/sessions/") for n in range(4)]
    for _ in range(5):
        at_once([lambda view=view: flows.make_default(admin, view, is_default=True) for view in views])  # type: ignore[misc]
        assert ViewMark.objects.filter(user=admin, path="/sessions/", is_default=True).count() == 1
    at_once([lambda view=view: flows.make_favourite(admin, view, is_favourite=True) for view in views])  # type: ignore[misc]
    places = ViewMark.objects.filter(user=admin).order_by("place").values_list("place", flat=True)
    assert list(places) == [1, 2, 3, 4]


def test_clear_all_leaves_the_default_too(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    save(client, "/sessions/?status=locked", "Locked", is_default="on")
    page = client.get("/sessions/", follow=True)
    clear = pages.elements(page).find(".//a[@id='clear-filters']")
    assert clear is not None
    assert clear.get("href") == "/sessions/?view=all"


def test_favourites_stand_in_the_navigation_in_the_persons_order(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    for name in ("One", "Two", "<Three>"):
        save(client, "/sessions/", name, is_favourite="on")

    def navigation(client: Client) -> list[str]:
        links = pages.elements(client.get("/logins/")).find(".//ul[@aria-labelledby='nav-favourites']")
        return [pages.text(one) for one in links] if links is not None else []

    assert navigation(client) == ["One", "Two", "<Three>"]
    client.post(f"/views/{saved('<Three>').pk}/mark/", {"mark": "up", "next": "/views/"})
    client.post(f"/views/{saved('One').pk}/mark/", {"mark": "up", "next": "/views/"})  # it is the first
    assert navigation(client) == ["One", "<Three>", "Two"]
    client.post(f"/views/{saved('One').pk}/mark/", {"mark": "no-favourite"})
    assert navigation(client) == ["<Three>", "Two"]
    shown = pages.elements(client.get(f"/views/{saved('Two').pk}/", follow=True))
    assert shown.find(".//ul[@aria-labelledby='nav-favourites']//a[@aria-current='page']") is not None


def test_views_cost_one_query_of_a_page_however_many_there_are(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)

    def queries(address: str) -> int:
        client.get(address)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    before = [queries("/sessions/?view=all"), queries("/accounts/me/")]
    for number in range(9):
        save(client, "/sessions/?view=all", f"View {number}", is_favourite="on", is_shared="on")
    assert [queries("/sessions/?view=all"), queries("/accounts/me/")] == before


def test_a_shared_view_is_seen_by_everybody_and_gives_nobody_a_right(
    as_user: AsUser, auditor: User, alice: User, outsider: User
) -> None:
    builders.make_session(outsider)
    save(as_user(auditor), "/sessions/?whose=all", "All of them", is_shared="on")
    save(as_user(auditor), "/activity/?user=outsider", "Outsider", is_shared="on")
    save(as_user(auditor), "/sessions/", "Private")
    client = as_user(alice)
    menu = pages.elements(client.get("/sessions/")).find(".//ul[@class='view-list']")
    assert [pages.text(one) for one in menu or ()] == ["Everything", "All of them shared by auditor"]
    assert client.get(f"/views/{saved('All of them').pk}/", follow=True).status_code == 403
    assert client.get(f"/views/{saved('Outsider').pk}/", follow=True).status_code == 400
    assert client.get(f"/views/{saved('Private').pk}/").status_code == 404


def test_only_administrators_and_auditors_share_and_only_the_owner_changes(
    as_user: AsUser, admin: User, auditor: User, alice: User
) -> None:
    client = as_user(alice)
    assert "is_shared" not in client.get("/sessions/").content.decode()
    save(client, "/sessions/", "Mine", is_shared="on")
    assert not saved("Mine").is_shared
    client.post(f"/views/{saved('Mine').pk}/change/", {"name": "Still mine", "is_shared": "on"})
    mine = saved("Still mine")
    assert not mine.is_shared
    for other in (admin, auditor):
        for verb in ("", "change/", "delete/"):
            assert as_user(other).get(f"/views/{mine.pk}/{verb}").status_code == 404
        assert as_user(other).post(f"/views/{mine.pk}/mark/", {"mark": "favourite"}).status_code == 404
    save(as_user(auditor), "/sessions/", "Shared", is_shared="on")
    shared = saved("Shared")
    fields = hidden_fields(client.get("/sessions/"))
    assert client.post("/views/save/", {**fields, "update": str(shared.pk)}).status_code == 403
    assert client.post(f"/views/{shared.pk}/change/", {"name": "x"}).status_code == 403
    assert client.post(f"/views/{shared.pk}/delete/").status_code == 403
    assert as_user(admin).post(f"/views/{shared.pk}/change/", {"name": "x"}).status_code == 403
    assert client.post(f"/views/{shared.pk}/mark/", {"mark": "default"}).status_code == 302
    assert client.get("/sessions/").status_code == 302
    assert as_user(admin).post(f"/views/{shared.pk}/delete/").status_code == 302
    assert client.get("/sessions/").status_code == 200
    assert not ViewMark.objects.exists()


def test_what_changes_for_others_is_in_the_log(as_user: AsUser, auditor: User, alice: User) -> None:
    client = as_user(auditor)
    save(client, "/sessions/?status=locked", "Locked", is_shared="on")
    view = saved("Locked")
    ViewMark.objects.create(user=alice, view=view, path=view.path, place=1)
    client.post(f"/views/{view.pk}/change/", {"name": "Frozen", "is_shared": "on"})
    client.post(f"/views/{view.pk}/change/", {"name": "Frozen"})
    assert not ViewMark.objects.exists()  # alice no longer sees it
    client.post(f"/views/{view.pk}/change/", {"name": "Cold"})
    client.post(f"/views/{view.pk}/change/", {"name": "Cold", "is_shared": "on"})
    client.post(f"/views/{view.pk}/delete/")
    entries = LogEntry.objects.filter(verb__startswith="view.").order_by("pk")
    assert [(entry.verb, entry.message) for entry in entries] == [
        (Verb.VIEW_SHARED, "Shared the saved view “Locked” of sessions"),
        (Verb.VIEW_CHANGED, "Changed the shared view “Frozen” of sessions"),
        (Verb.VIEW_WITHDRAWN, "Made the shared view “Frozen” of sessions private"),
        (Verb.VIEW_SHARED, "Shared the saved view “Cold” of sessions"),
        (Verb.VIEW_WITHDRAWN, "Deleted the shared view “Cold” of sessions"),
    ]
    assert entries[0].details["view"]["query"] == "status=locked"
    assert entries[1].details == {"changes": {"name": {"old": "Locked", "new": "Frozen"}}}


def test_a_view_whose_group_is_gone_says_so_also_as_default(as_user: AsUser, admin: User) -> None:
    group = Group.objects.create(name="Night shift")
    client = as_user(admin)
    save(client, f"/users/?group={group.pk}", "Nights", is_default="on")
    group.delete()
    page = client.get("/users/", follow=True)
    assert page.status_code == 400
    said = pages.text(pages.elements(page).find(".//div[@class='problem']"))
    assert "What the filter “Group” asks for does not exist, or not any more." in said
    assert "The saved view “Nights” asks for this." in said
    whole = next(one for one in pages.elements(page).iter("a") if one.text == "Show the whole list")
    assert client.get(whole.get("href", "")).status_code == 200


def test_a_view_that_is_gone_leaves_the_filters_of_its_address(as_user: AsUser, admin: User) -> None:
    make_entry("kept", ago(hours=1), actor=admin)
    page = as_user(admin).get("/activity/?view=999999&activity=kept")
    assert len(pages.table(pages.elements(page))) == 1
    for wrong in ("x", "-1", "9" * 40, "²"):
        assert as_user(admin).get("/activity/", {"view": wrong, "activity": "kept"}).status_code == 200


def test_the_page_of_all_views_shows_ones_own_and_shared_ones(as_user: AsUser, auditor: User, alice: User) -> None:
    save(as_user(auditor), "/logins/", "Shared", is_shared="on")
    save(as_user(auditor), "/logins/", "Private")
    save(as_user(alice), "/sessions/", "Mine")
    page = as_user(alice).get("/views/")
    assert {pages.text(one) for one in pages.elements(page).findall(".//ul[@class='view-rows']//div/a")} == {
        "Mine",
        "Shared",
    }


def test_one_person_keeps_a_hundred_views(as_user: AsUser, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MOST_VIEWS", 1)
    save(as_user(alice), "/sessions/", "One")
    answer = save(as_user(alice), "/sessions/", "Two")
    assert answer.status_code == 422
    assert "You have 1 saved views" in answer.content.decode()
