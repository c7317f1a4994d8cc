"""Resources on the console's own forms: who may, what is asked, what is kept, what ends, what is protected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.verbs import Verb
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.models import ServiceKey
from tests.support import pages
from tests.support.administration import last, said
from tests.support.builders import make_resource, make_session

AsUser = Callable[[User], Client]
ADD = "/resources/add/"
HOST = {
    "name": "web-9",
    "platform": "linux",
    "connector": "ssh",
    "address": "web-9.example.com",
    "port": "22",
    "service_account": "sessionadmin",
    "service_auth": "certificate",
    "is_active": "on",
}


def names(response: Any) -> set[str]:
    """Return the names of the visible fields of the form."""
    form = pages.elements(response).find(".//form[@id='configuration']")
    form = pages.elements(response) if form is None else form
    found = [*form.iter("input"), *form.iter("select"), *form.iter("textarea")]
    return {one.get("name", "") for one in found if one.get("type") != "hidden"}


def test_an_administrator_adds_a_host_and_is_told_to_test_it(boss: Client) -> None:
    page = boss.post(ADD, HOST, follow=True)
    resource = Resource.objects.get(name="web-9")
    assert page.redirect_chain == [(resource.get_absolute_url(), 302)]
    assert "Added resource “web-9”." in said(page)
    assert "Test the connection now" in said(page)
    assert last(Verb.RECORD_ADDED).message == "Added resource “web-9”"


def test_an_ssh_host_is_the_default_and_practice_is_for_a_trial(boss: Client, settings: Any) -> None:
    form = boss.get(ADD).context["form"]
    assert form["connector"].initial == "ssh"
    assert [value for value, _ in form.fields["connector"].choices] == ["ssh", "practice"]
    settings.IS_TRIAL = False
    form = boss.get(ADD).context["form"]
    assert "connector" not in form.fields  # ssh is the only one: nothing to ask
    refused = boss.post(ADD, HOST | {"connector": "practice"}, follow=True)
    assert Resource.objects.get().connector == "ssh"
    assert refused.status_code == 200
    old = make_resource("old-1")
    assert old.connector == "practice"
    offered = boss.get(f"/resources/{old.pk}/change/").context["form"].fields["connector"].choices
    assert [value for value, _ in offered] == ["ssh", "practice"]


def test_the_form_asks_only_what_the_choice_needs(boss: Client) -> None:
    everywhere = {"name", "platform", "description", "is_active"}
    place, host = {"address", "port"}, {"service_account", "service_auth", "host_key"}
    assert names(boss.get(ADD)) == everywhere | {"connector"} | place | host
    for sent, asked in (
        ({"connector": "practice"}, {"connector"} | place),
        ({"platform": "vault"}, set()),
        ({"service_auth": "key"}, {"connector"} | place | host | {"service_key"}),
    ):
        for headers in ({}, {"HX-Request": "true"}):
            response = boss.post(ADD, HOST | sent | {"_show": "1"}, headers=headers)
            assert response.status_code == 200
            assert names(response) == everywhere | asked
    assert not Resource.objects.exists()


def test_what_was_typed_survives_a_choice_that_does_not_ask_for_it(boss: Client) -> None:
    response = boss.post(ADD, HOST | {"platform": "vault", "_show": "1"})
    sent = pages.fields(pages.elements(response), ".//form[@id='configuration']")
    assert sent["address"] == "web-9.example.com"
    assert sent["service_account"] == "sessionadmin"
    response = boss.post(ADD, sent | {"platform": "linux", "_show": "1"})
    shown = pages.fields(pages.elements(response), ".//form[@id='configuration']")
    assert {"address", "service_account", "connector"} <= names(response)
    assert {name: shown[name] for name in ("address", "service_account", "connector")} == {
        "address": "web-9.example.com",
        "service_account": "sessionadmin",
        "connector": "ssh",
    }


def test_what_is_not_asked_is_not_stored(boss: Client) -> None:
    assert boss.post(ADD, HOST | {"platform": "vault", "port": "99999"}).status_code == 302
    vault = Resource.objects.get()
    assert (vault.connector, vault.address, vault.port, vault.service_account) == ("vault", "", 22, "")
    key = ServiceKey.objects.create(name="Old", fingerprint="SHA256:x", private_key="sealed")
    host = make_resource("web-1", connector="ssh", service_auth="key", service_key=key, service_account="sessionadmin")
    assert (
        boss.post(f"/resources/{host.pk}/change/", HOST | {"name": "web-1", "connector": "practice"}).status_code == 302
    )
    host.refresh_from_db()
    assert (host.service_key, host.service_account, host.address) == (None, "", "web-9.example.com")


def test_errors_stand_at_the_field_and_nothing_is_lost(boss: Client) -> None:
    make_resource("web-9")
    response = boss.post(ADD, HOST | {"address": "", "port": "0", "description": "Kept."})
    assert response.status_code == 422
    text = said(response)
    assert "Nothing was saved." in text
    assert "Resource with this Name already exists." in text
    assert response.context["form"].errors.keys() == {"name", "port", "address"}
    assert pages.fields(pages.elements(response), ".//form[@id='configuration']")["description"] == "Kept."
    response = boss.post(ADD, HOST | {"name": "new", "address": ""})
    assert response.context["form"].errors == {"address": ["Enter the host's name or IP address."]}
    assert Resource.objects.count() == 1


@pytest.mark.parametrize("value", ["", "x", "telepathy", "\x00", "9" * 50])
def test_bad_input_is_answered_with_the_form(boss: Client, value: str) -> None:
    for name in ("platform", "connector", "port", "service_auth", "service_key"):
        for extra in ({}, {"_show": "1"}):
            response = boss.post(ADD, HOST | {"service_auth": "key"} | {name: value} | extra)
            assert response.status_code in (200, 400, 422), (name, value)
    assert not Resource.objects.exists()


def test_the_sessions_that_a_change_ends_are_asked_about(boss: Client, alice: User) -> None:
    session = make_session(alice)
    path = f"/resources/{session.resource_id}/change/"
    form = HOST | {"name": "web-1", "connector": "practice"}
    del form["is_active"]
    response = boss.post(path, form)
    assert response.status_code == 200
    assert "This ends 1 open session" in said(response)
    assert "Nothing has been saved yet." in said(response)
    assert Resource.objects.get().is_active
    sent = pages.fields(pages.elements(response), ".//form[@method='post'][@action='" + path + "']")
    assert boss.post(path, sent).status_code == 302
    assert not Resource.objects.get().is_active
    assert last(Verb.RECORD_CHANGED).details["changes"]["is_active"] == {"old": True, "new": False}


def test_a_resource_in_use_is_not_deleted_and_the_person_is_told_by_what(boss: Client, alice: User) -> None:
    session = make_session(alice)
    path = f"/resources/{session.resource_id}/delete/"
    for response in (boss.get(path), boss.post(path), boss.get(path, headers={"HX-Request": "true"})):
        text = said(response)
        assert "“web-1” is used by 1 access policy, 1 privileged session." in text
        assert "Nothing was deleted. Make it inactive instead." in text
    assert Resource.objects.exists()


@pytest.mark.parametrize("is_htmx", [False, True])
def test_what_nothing_uses_is_deleted_after_a_question(boss: Client, is_htmx: bool) -> None:
    resource = make_resource("web-1")
    path = f"/resources/{resource.pk}/delete/"
    headers = {"HX-Request": "true"} if is_htmx else {}
    assert "Delete resource “web-1”?" in said(boss.get(path, headers=headers))
    response = boss.post(path, headers=headers)
    assert response["HX-Redirect" if is_htmx else "Location"] == "/resources/"
    assert not Resource.objects.exists()
    assert "Deleted resource “web-1”." in said(boss.get("/resources/"))
    assert last(Verb.RECORD_DELETED).message == "Deleted resource “web-1”"


def test_only_administrators_see_the_buttons(boss: Client, alice: User, auditor: User, as_user: AsUser) -> None:
    session = make_session(alice)
    own = f"/resources/{session.resource_id}/"
    for client, expected in ((boss, True), (as_user(auditor), False), (as_user(alice), False)):
        for path, links in ((own, ("change/", "delete/")), ("/resources/", ("add/",))):
            page = client.get(path).content.decode()
            for link in links:
                assert (f'href="{path}{link}"' in page) is expected


def test_an_empty_list_says_what_goes_there_and_leads_to_the_form(
    boss: Client, alice: User, auditor: User, as_user: AsUser
) -> None:
    text = said(boss.get("/resources/"))
    assert "Hosts and secret vaults that sessions are requested for." in text
    assert text.count(f'href="{ADD}"') == 2
    assert ADD not in said(as_user(auditor).get("/resources/"))
    assert "You see the resources that an access policy gives you." in said(as_user(alice).get("/resources/"))
