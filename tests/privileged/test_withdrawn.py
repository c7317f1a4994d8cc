"""A session that its requester withdraws before it begins is Complete, and every page says that it did not begin."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.privileged.flows.end import end
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, pages
from tests.support.scene import ask

AsUser = Callable[[User], Client]


@pytest.fixture
def scheduled(alice: User) -> PrivilegedSession:
    builders.make_policy(users=[alice])
    return ask(alice, start_at=timezone.now() + dt.timedelta(days=1))


@pytest.fixture
def withdrawn(alice: User, scheduled: PrivilegedSession) -> PrivilegedSession:
    """Return a withdrawn session, after creating another one that was used."""
    end(alice, scheduled)
    now = timezone.now()
    builders.make_session(alice, Status.COMPLETE, start_at=now - dt.timedelta(hours=1), end_at=now)
    return scheduled


def statuses(client: Client, query: str = "") -> list[str]:
    return [row["Status"] for row in pages.table(pages.elements(client.get(f"/sessions/?tab=historical{query}")))]


def test_the_list_and_the_page_say_so(alice: User, withdrawn: PrivilegedSession, as_user: AsUser) -> None:
    client = as_user(alice)
    assert statuses(client) == ["Complete", "Complete withdrawn"]
    page = pages.elements(client.get(f"/sessions/{withdrawn.pk}/"))
    assert "Complete withdrawn" in pages.text(page.find(".//p[@class='lead']"))
    assert (
        pages.texts(page, ".//section[@aria-labelledby='facts-title']/dl/dd")[0]
        == "Complete, withdrawn before it began"
    )


def test_the_filter_finds_them(alice: User, withdrawn: PrivilegedSession, as_user: AsUser) -> None:
    client = as_user(alice)
    page = pages.elements(client.get("/sessions/?tab=historical"))
    options = pages.texts(page, ".//select[@name='status']/option")
    assert options[options.index("Complete") + 1] == "Complete, withdrawn before it began"
    assert statuses(client, "&status=withdrawn") == ["Complete withdrawn"]
    assert len(statuses(client, "&status=complete")) == 2


def test_the_download_has_a_column_for_it(alice: User, withdrawn: PrivilegedSession, as_user: AsUser) -> None:
    response = as_user(alice).get("/sessions/?tab=historical&csv=1")
    text = pages.streamed(response).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["Status"], row["Withdrawn"]) for row in rows] == [
        ("complete", ""),
        ("complete", "withdrawn before it began"),
    ]


def test_the_button_says_withdraw(alice: User, scheduled: PrivilegedSession, as_user: AsUser) -> None:
    client = as_user(alice)
    page = pages.elements(client.get(f"/sessions/{scheduled.pk}/"))
    assert pages.text(page.find(".//a[@id='do-end']")) == "Withdraw"
    for tab, label in (("scheduled", "Withdraw"), ("active", "End Session")):
        shown = pages.elements(client.get(f"/sessions/?tab={tab}"))
        assert pages.text(shown.find(".//button[@data-verb='end']")) == label
    dialog = pages.elements(client.get("/sessions/do/end/", {"ids": scheduled.pk}))
    assert pages.text(dialog.find(".//*[@id='dialog-title']")) == "Withdraw"
    answer = client.post("/sessions/do/end/", {"ids": scheduled.pk}, follow=True)
    assert f"{scheduled}: withdrawn." in answer.content.decode()
    running = builders.make_session(alice, resource=builders.make_resource("web-2"))
    mixed = pages.elements(client.get("/sessions/do/end/", {"ids": [running.pk]}))
    assert pages.text(mixed.find(".//*[@id='dialog-title']")) == "End Session"
