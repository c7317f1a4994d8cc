"""Jumping to a page, a session, a person or a host by the beginning of its name, and the page of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.support import builders
from tests.support.pages import elements, text
from tests.support.query_plans import explained

AsUser = Callable[[User], Client]


def found(client: Client, words: str) -> list[str]:
    """Return what is found, each as "label kind"."""
    return [text(link) for link in elements(client.get("/jump/", {"q": words})).findall(".//ul[@class='jump-list']//a")]


@pytest.fixture
def things(alice: User) -> None:
    builders.make_policy(users=[alice], resources=[builders.make_resource("alpha-1")])
    builders.make_resource("alpha-2")
    builders.make_user("albert")
    builders.make_application("alert-job")
    Group.objects.create(name="Alpinists")


def test_administrators_and_auditors_find_everything_that_begins_with_it(
    as_user: AsUser, things: None, admin: User, auditor: User
) -> None:
    expected = [
        "albert User",
        "alert-job Application",
        "alice User",
        "Alpinists Group",
        "alpha-1 Resource",
        "alpha-2 Resource",
    ]
    assert found(as_user(admin), "al") == expected
    assert found(as_user(auditor), "AL") == expected
    assert found(as_user(admin), "lpha") == []


def test_others_find_their_own_hosts_and_no_people(as_user: AsUser, things: None, alice: User, outsider: User) -> None:
    assert found(as_user(alice), "al") == ["alpha-1 Resource"]
    assert found(as_user(outsider), "al") == []


def test_the_number_of_a_session_finds_it_for_those_who_may_see_it(
    as_user: AsUser, alice: User, outsider: User, admin: User
) -> None:
    session = builders.make_session(alice)
    for words in (f"{session.pk}", f"#{session.pk}"):
        assert found(as_user(alice), words) == [f"#{session.pk} alice on web-1 Session, Available"]
        assert found(as_user(outsider), words) == []
    assert len(found(as_user(admin), f"{session.pk}")) == 1
    for no_number in ("99999999999999999999999", "¹", "-1"):
        assert found(as_user(admin), no_number) == []


def test_pages_and_actions_are_found_by_the_beginning_of_each_word(
    as_user: AsUser, alice: User, auditor: User, admin: User
) -> None:
    assert found(as_user(admin), "acc pol") == ["Access policies Page", *found(as_user(admin), "add acc pol")]
    assert found(as_user(alice), "acc pol") == []
    assert found(as_user(alice), "req") == ["Request session Action"]
    assert found(as_user(auditor), "req") == []
    assert "Overview Page" in found(as_user(alice), "")  # without words all pages


def test_every_page_that_is_found_may_be_opened(as_user: AsUser, alice: User, auditor: User, admin: User) -> None:
    for client in (as_user(alice), as_user(auditor), as_user(admin)):
        links = elements(client.get("/jump/")).findall(".//ul[@class='jump-list']//a")
        statuses = {link.get("href"): client.get(link.get("href", ""), follow=True).status_code for link in links}
        assert {url: status for url, status in statuses.items() if status != 200} == {}


def test_it_costs_the_same_queries_for_few_and_for_many(
    as_user: AsUser, things: None, admin: User, alice: User, django_assert_num_queries: Any
) -> None:
    for number in range(30):
        builders.make_user(f"al-{number}")
        builders.make_resource(f"al-{number}")
        Group.objects.create(name=f"al-{number}")
    for_admin, for_alice = as_user(admin), as_user(alice)
    assert len(found(for_admin, "al")) == 15
    part = {"HX-Request": "true", "HX-Target": "jump-results"}
    with django_assert_num_queries(6):  # the login, two of the role, people, groups, resources
        for_admin.get("/jump/", {"q": "al"}, headers=part)
    with django_assert_num_queries(5):  # the login, two of the role, a session, resources
        for_alice.get("/jump/", {"q": "7"}, headers=part)


@pytest.mark.parametrize("path", ["/jump/", "/keys/"])
def test_htmx_gets_the_inside_of_the_dialog_and_everybody_else_a_page(as_user: AsUser, alice: User, path: str) -> None:
    client = as_user(alice)
    part = client.get(path, headers={"HX-Request": "true", "HX-Target": "dialog"})
    assert "<html" not in part.content.decode()
    assert elements(part).find(".//h2[@id='dialog-title']") is not None
    assert elements(client.get(path)).find(".//h1") is not None
    assert "HX-Request" in part["Vary"]


def test_markup_in_a_name_stays_text(as_user: AsUser, admin: User) -> None:
    Group.objects.create(name="<b>bold")
    page = as_user(admin).get("/jump/", {"q": "<b>"}).content.decode()
    assert "&lt;b&gt;bold" in page
    assert "<b>" not in page


@pytest.mark.sqlite_only
def test_names_are_found_by_their_index(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    with CaptureQueriesContext(connection) as asked:
        client.get("/jump/", {"q": "al"})
    for table in ("auth_user", "auth_group", "sessions_app_resource"):
        (sql,) = [one["sql"] for one in asked if f'FROM "{table}"' in one["sql"] and ">=" in one["sql"]]
        plan = explained(sql)
        assert f"SCAN {table}" not in plan
        assert "INDEX" in plan
