"""An administrator who has never seen the console sets it up by its own pages, with few clicks, and sees a session run.

The host is a real sshd, the browser a real Chromium. The first steps on the home page lead through everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from activity.models import LogEntry
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import sshd
from tests.support.ssh_scene import RULE, register_key, terminal, worked
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.sshd, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]
MOST_CLICKS = 40
PASSWORD = "correct horse battery staple"


class Clicks:
    """What an administrator does with the pointer. Typing is not counted; a tick and a choice are one click each."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def press(self, name: str, role: str = "button", within: Locator | None = None) -> None:
        """Press the button or follow the link of that name."""
        self.count += 1
        place = within or self.page.locator("main")
        place.get_by_role(role, name=name, exact=True).click()  # type: ignore[arg-type]  # a role, as text

    def step(self, name: str) -> None:
        """Go to the home page by its link, and press the button of a first step."""
        self.count += 1
        self.page.get_by_role("link", name="Overview", exact=True).click()
        self.press(name, role="link")

    def type(self, label: str, text: str) -> None:
        """Type into a field, into which the person has clicked."""
        self.count += 1
        self.page.locator("main").get_by_label(label).first.fill(text)

    def tick(self, label: str) -> None:
        self.count += 1
        self.page.locator("main").get_by_role("checkbox", name=label).check()

    def choose(self, label: str, option: str) -> None:
        self.count += 1
        self.page.locator("main").get_by_label(label).first.select_option(label=option)


def test_an_empty_console_is_set_up_with_few_clicks_and_a_session_runs(
    server: sshd.Server, open_as: OpenAs, admin: User, tmp_path: Path
) -> None:
    page = open_as(admin, "/")
    person = Clicks(page)
    expect(page.get_by_role("heading", name="First steps")).to_be_visible()

    person.press("Add a user", role="link")
    person.type("User name", "alice")
    person.type("Password", PASSWORD)
    person.press("Add user")
    expect(page.locator("#messages")).to_contain_text("alice")

    person.step("Add a resource")
    person.type("Name", "web-1")
    person.type("Address", "127.0.0.1")
    person.type("Port", str(server.port))
    person.type("Service account", "root")
    person.press("Add resource")
    person.press("Test connection")
    person.press("The keys are the same: confirm this one")
    person.press("Test connection")
    expect(page.locator("main")).to_contain_text("Everything works")

    person.step("Add an activity")
    person.type("Name", "Patch Linux")
    person.type("Login account template", "satest-{session}")
    person.type("Sudo rule", RULE)
    person.press("Add activity")

    person.step("Working day")
    person.press("Add connection profile")

    person.step("Add an access policy")
    person.tick("alice")
    person.tick("Patch Linux")
    person.tick("web-1")
    person.choose("Connection profile", "Working day")
    person.press("Add access policy")
    expect(page.locator("#messages")).to_be_visible()

    alice = get_user_model().objects.get(username="alice")
    key = register_key(alice, tmp_path / "id_alice")
    session = requested_by(open_as, alice)
    assert worked(session).status == Status.AVAILABLE
    with terminal(server, session, key, b"sudo id\n") as shown:
        wait_until(lambda: b"uid=0(root)" in shown.text, "sudo works")
        assert worked(session).status == Status.LOGGED_IN
        person.count += 1
        page.get_by_role("link", name="Sessions", exact=True).click()
        expect(page.locator(f"#row-{session.pk}")).to_contain_text("Logged In")
        person.count += 1
        page.locator(f"#row-{session.pk} a").first.click()
        person.press("End Session", role="link")
        person.press("End Session", within=page.locator("#dialog"))
        expect(page.locator("#messages")).to_contain_text("ended or being ended")
        assert worked(session).status == Status.CANCELED
    assert sshd.leftovers() == []
    assert person.count <= MOST_CLICKS, f"{person.count} clicks"
    assert not LogEntry.objects.filter(message__contains=PASSWORD).exists()


def requested_by(open_as: OpenAs, user: User) -> PrivilegedSession:
    """Request the only thing that the user may request, and return the session."""
    page = open_as(user, "/sessions/request/")
    page.get_by_label("Patch Linux").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("web-1").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Review").click()
    page.locator("main").get_by_role("button", name=re.compile("^Request")).click()
    expect(page.locator("#messages")).to_contain_text("Patch Linux on web-1")
    return PrivilegedSession.objects.get(user=user)
