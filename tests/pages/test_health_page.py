"""The page Health says what `sessionadmin doctor` says, and asks hosts only when somebody presses the button."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.models import Status
from sessions_app.worker.health import hosts
from sessions_app.worker.health.heartbeat import beat
from tests.support import builders, pages
from tests.support.programs import free_port

AsUser = Callable[[User], Client]


def findings(client: Client, method: str = "get", path: str = "/health/") -> dict[str, str]:
    """Return the text of each finding by its heading (name and badge)."""
    response = getattr(client, method)(path)
    assert response.status_code == 200
    cards = pages.elements(response).findall(".//*[@id='findings']/section")
    return {pages.text(card.find("h2")): " ".join(pages.text(each) for each in card.findall("p")) for card in cards}


@pytest.mark.django_db
def test_a_problem_is_shown_with_what_to_do(as_user: AsUser, admin: User, alice: User) -> None:
    builders.make_session(alice, Status.AVAILABLE)
    client = as_user(admin)
    found = findings(client)
    assert found["Database Works"].endswith("answers and is up to date.")
    assert "Start one: sessionadmin run_worker" in found["Worker Wrong"]
    assert re.search(r"\b1 of \d+ checks failed\.", pages.text(pages.elements(client.get("/health/"))))
    beat("worker")
    assert "Worker Works" in findings(client)
    assert "Nothing is wrong." in client.get("/health/").content.decode()


@pytest.mark.django_db
def test_looking_at_the_page_asks_no_host(as_user: AsUser, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_resource("web-1", connector="ssh")
    asked: list[str] = []
    monkeypatch.setattr(hosts, "_look_at", lambda resource: asked.append(resource.name))
    assert not [name for name in findings(as_user(admin)) if name.startswith(("Host", "Practice"))]
    assert asked == []
    assert not LogEntry.objects.filter(verb=Verb.HOST_CHECKED).exists()


@pytest.mark.django_db(transaction=True)
def test_the_button_asks_every_host_and_is_logged(as_user: AsUser, admin: User) -> None:
    builders.make_resource("web-1", connector="ssh", address="127.0.0.1", port=free_port())
    folder = practice.directory("web-2")
    folder.mkdir(parents=True)
    (folder / "alice--77.json").write_text("{}")
    client = as_user(admin)
    found = findings(client, "post", "/health/hosts/")
    assert "No SSH server answers at 127.0.0.1" in found["Host web-1 Wrong"]
    assert "web-2/alice--77.json" in found["Practice hosts Wrong"]
    assert LogEntry.objects.get(verb=Verb.HOST_CHECKED).actor_id == admin.pk


@pytest.mark.django_db
def test_administrators_are_led_there_and_nobody_else(as_user: AsUser, admin: User, auditor: User, alice: User) -> None:
    builders.make_session(alice, Status.AVAILABLE)
    for user, is_led in ((admin, True), (auditor, False), (alice, False)):
        links = pages.elements(as_user(user).get("/sessions/")).findall(".//a[@href='/health/']")
        assert len(links) == (2 if is_led else 0), user.username
