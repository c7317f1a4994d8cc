"""What a new user does on a real host, with the console's forms and an ordinary OpenSSH client.

Everything goes through the front doors: the pages' own forms, `ssh`, the session's log and the CSV.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, pages, sshd
from tests.support.ssh_scene import RULE, make_host, register_key, terminal, worked
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]
AsUser = Callable[[User], Client]
WIZARD = "/sessions/request/"
FORM = ".//main//form[@method='post']"


def request(client: Client, **values: Any) -> PrivilegedSession:
    """Request a session through the wizard's four pages, as a browser without JavaScript does."""
    activity = str(builders.make_activity().pk)
    page = pages.elements(client.get(WIZARD, {"activity": activity, "step": "resources"}))
    resource = pages.attribute(page.find(".//input[@name='resources']"), "value")
    page = pages.elements(client.get(WIZARD, {"activity": activity, "resources": resource, "step": "details"}))
    page = pages.elements(client.post(WIZARD, {**pages.fields(page, FORM), **values, "do": "review"}))
    client.post(WIZARD, {**pages.fields(page, FORM), "do": "send"})
    return PrivilegedSession.objects.latest("pk")


def press(client: Client, verb: str, session: PrivilegedSession, **values: Any) -> None:
    """Open the dialog of a button, fill it in, send it."""
    dialog = client.get(f"/sessions/do/{verb}/", {"ids": session.pk}, headers={"HX-Request": "true"})
    sent = {**pages.fields(pages.elements(dialog)), **values}
    answer = client.post(f"/sessions/do/{verb}/", sent, headers={"HX-Request": "true"})
    assert answer.status_code in (200, 204), answer.content
    session.refresh_from_db()


def test_a_new_user_works_on_a_real_host_and_everything_is_told(
    server: sshd.Server, tmp_path: Path, as_user: AsUser, alice: User, approver: User, admin: User, auditor: User
) -> None:
    make_host(server)
    builders.make_activity(login_account_template="satest-{session}", sudo_rule=RULE)
    builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[approver]]))
    key = register_key(alice, tmp_path / "id_alice")
    users, administrators = as_user(alice), as_user(admin)

    session = request(users, notes="Broken disk")
    assert session.status == Status.WAITING
    press(as_user(approver), "approve", session)
    assert worked(session).status == Status.AVAILABLE
    assert session.login_account in users.get(f"/sessions/{session.pk}/").content.decode()

    with terminal(server, session, key, b"sudo id\n") as shown:
        wait_until(lambda: b"uid=0(root)" in shown.text, "sudo works")
        assert worked(session).status == Status.LOGGED_IN
        press(administrators, "lock", session, title="Stand back", message="Ask the desk")
        assert worked(session).status == Status.LOCKED
        wait_until(lambda: b"Stand back" in shown.text and b"Ask the desk" in shown.text, "the message is shown")
        shown.type(b"echo typed-$((20+1))\n")
        time.sleep(0.7)
        assert b"typed-21" not in shown.text
        press(administrators, "unlock", session)
        assert worked(session).status == Status.LOGGED_IN
        wait_until(lambda: b"typed-21" in shown.text, "what was typed goes on after the unlock")
        press(administrators, "terminate", session)
        assert worked(session).status == Status.CANCELED
        wait_until(lambda: shown.client.poll() is not None, "the client is thrown out")
    assert sshd.leftovers() == []
    assert server.ssh(session.login_account, key, "true").returncode == 255

    steps = (
        "approver approved",
        "Make the account",
        f"{session.login_account} logged in to web-1",
        "admin locked the session: Stand back",
        "The lock is in force on web-1",
        "admin unlocked the session",
        "The lock is lifted on web-1",
        "admin terminated the session",
        "All rights are taken away",
    )
    log = administrators.get(f"/sessions/{session.pk}/log/").content.decode()
    answer = as_user(auditor).get("/activity/", {"csv": "1"})
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    shown_text = "\n".join(row["Message"] for row in rows)
    for step in steps:
        assert step in log, step
        assert step in shown_text, step
