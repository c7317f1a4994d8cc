"""The steps of a request keep what was entered, in every direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.catalogue.models import AccessPolicy
from tests.support import builders, pages

AsUser = Callable[[User], Client]
WIZARD = "/sessions/request/"
TYPED = {"notes": "Broken disk", "ticket_number": "OPS-7", "when": "later", "start_at": "2999-01-01T10:00"}


@pytest.fixture
def policy(alice: User) -> AccessPolicy:
    hosts = [builders.make_resource("web-1"), builders.make_resource("web-2")]
    return builders.make_policy(users=[alice], resources=hosts)


@pytest.fixture
def chosen(policy: AccessPolicy) -> dict[str, Any]:
    return {"activity": policy.activities.get().pk, "resources": [one.pk for one in policy.resources.all()]}


def details(page: ET.Element) -> dict[str, str]:
    return {name: text for name, text in pages.fields(page, ".//main//form[@method='post']").items() if name in TYPED}


def here(response: Any) -> str:
    return pages.text(pages.elements(response).find(".//ol[@class='steps']/li[@aria-current='step']"))


def form(client: Client, chosen: dict[str, Any]) -> dict[str, Any]:
    return pages.fields(pages.elements(client.get(WIZARD, chosen)), ".//main//form[@method='post']") | chosen


@pytest.mark.parametrize("back_to", ["activity", "resources"])
def test_going_back_and_forth_keeps_notes_ticket_and_start(
    as_user: AsUser, alice: User, chosen: dict[str, Any], back_to: str
) -> None:
    client = as_user(alice)
    sent = form(client, chosen) | TYPED
    before = client.post(WIZARD, sent | {"do": back_to}, follow=True)
    assert here(before).lower() == back_to
    draft = {"draft": sent["draft"]}
    assert details(pages.elements(client.get(WIZARD, chosen | draft))) == TYPED
    assert details(pages.elements(client.get(WIZARD, chosen)))["notes"] == ""  # another window, another request


def test_what_was_entered_before_the_review_is_there_after_the_browsers_back(
    as_user: AsUser, alice: User, chosen: dict[str, Any]
) -> None:
    client = as_user(alice)
    sent = form(client, chosen) | TYPED | {"when": "now", "start_at": ""}
    assert here(client.post(WIZARD, sent | {"do": "review"})) == "Review"
    again = pages.elements(client.get(WIZARD, chosen | {"draft": sent["draft"]}))
    assert details(again)["notes"] == "Broken disk"
    client.post(
        WIZARD,
        {
            **pages.fields(
                pages.elements(client.post(WIZARD, sent | {"do": "review"})), ".//main//form[@method='post']"
            ),
            **chosen,
            "do": "send",
        },
    )
    assert details(pages.elements(client.get(WIZARD, chosen | {"draft": sent["draft"]})))["notes"] == ""  # it was sent


def test_another_activity_keeps_the_resources_that_fit(
    as_user: AsUser, alice: User, policy: AccessPolicy, chosen: dict[str, Any]
) -> None:
    other = builders.make_activity("Read logs")
    builders.make_policy("Logs", users=[alice], activities=[other], resources=[builders.make_resource("web-2")])
    page = pages.elements(as_user(alice).get(WIZARD, chosen | {"activity": other.pk, "step": "resources"}))
    assert [pages.text(each.find("span")).split()[0] for each in page.findall(".//label[@class='choice']")] == ["web-2"]
    assert len(page.findall(".//input[@name='resources'][@checked]")) == 1


def test_ticks_that_were_not_sent_are_kept_when_the_page_says_so(
    as_user: AsUser, alice: User, chosen: dict[str, Any]
) -> None:
    client = as_user(alice)
    saved = client.post(WIZARD, chosen | {"draft": "abcdefgh", "chosen": "1", "do": "save"})
    assert saved.status_code == 204
    first = {"activity": chosen["activity"], "step": "resources"}
    page = pages.elements(client.get(WIZARD, first | {"draft": "abcdefgh"}))
    assert len(page.findall(".//input[@name='resources'][@checked]")) == 2
    assert not pages.elements(client.get(WIZARD, first)).findall(".//input[@name='resources'][@checked]")


def test_another_persons_draft_is_not_there(
    as_user: AsUser, alice: User, outsider: User, policy: AccessPolicy, chosen: dict[str, Any]
) -> None:
    as_user(alice).post(WIZARD, chosen | TYPED | {"draft": "abcdefgh", "do": "save"})
    policy.users.add(outsider)
    page = pages.elements(as_user(outsider).get(WIZARD, chosen | {"draft": "abcdefgh"}))
    assert details(page)["notes"] == ""


def test_the_oldest_draft_is_forgotten(as_user: AsUser, alice: User, chosen: dict[str, Any]) -> None:
    client = as_user(alice)
    for number in range(6):
        client.post(WIZARD, chosen | TYPED | {"draft": f"abcdefg{number}", "do": "save"})
    found = [
        details(pages.elements(client.get(WIZARD, chosen | {"draft": f"abcdefg{number}"})))["notes"]
        for number in range(6)
    ]
    assert found == ["", *["Broken disk"] * 5]
