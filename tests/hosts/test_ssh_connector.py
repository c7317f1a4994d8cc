"""Rights on a real host: given, used with an ordinary client, frozen, cut, taken away. Starts a real sshd."""

from __future__ import annotations

import datetime as dt
import subprocess
import time
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import sshd
from tests.support.scene import ask
from tests.support.ssh_scene import given, prepare, said, terminal, worked
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]


def test_an_ephemeral_account_is_made_used_and_removed(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    account = f"satest-{session.pk}"
    assert session.login_account == account
    logged = said(session)
    assert "Make the account" in " ".join(logged)
    assert f"{account} can log in to web-1" in logged
    done = server.ssh(account, key, "id -un; sudo -n id -u")
    assert done.stdout.split() == [account, "0"], done.stderr
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []
    assert server.ssh(account, key, "true").returncode == 255


def test_what_the_user_left_running_ends_too(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    account = session.login_account
    left = "setsid nohup sleep 4711 >/dev/null 2>&1 & sudo -n setsid nohup sleep 4712 >/dev/null 2>&1 & sleep 0.5"
    assert server.ssh(account, key, left).returncode == 0
    running = subprocess.run(["pgrep", "-f", "^sleep 471[12]"], capture_output=True, text=True, check=False).stdout
    assert len(running.split()) == 2
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert subprocess.run(["pgrep", "-f", "^sleep 471[12]"], check=False).returncode == 1
    assert sshd.leftovers() == []


def test_logged_in_is_seen_a_lock_freezes_and_unlock_frees(
    server: sshd.Server, alice: User, admin: User, key: Path
) -> None:
    prepare(server, alice)
    session = given(alice)
    with terminal(server, session, key, b"echo first-$((1+1))\n") as shown:
        wait_until(lambda: b"first-2" in shown.text, "the shell answers")
        assert worked(session).status == Status.LOGGED_IN
        lock(admin, session, title="Stand back\x1b[2J", message="Ask the desk")
        assert worked(session).controls.get().state == "enforced"
        wait_until(lambda: b"Ask the desk" in shown.text, "the message is on the terminal")
        assert b"Stand back" in shown.text
        assert b"\x1b[2J" not in shown.text
        assert {line[0] for line in sshd.processes_of(session.login_account)} == {"T"}
        shown.type(b"echo second-$((1+1))\n")
        time.sleep(0.7)
        assert b"second-2" not in shown.text
        assert server.ssh(session.login_account, key, "true").returncode == 255
        session.refresh_from_db()
        unlock(admin, session)
        worked(session)
        wait_until(lambda: b"second-2" in shown.text, "the shell goes on")
        assert server.ssh(session.login_account, key, "true").returncode == 0
        terminate(admin, session)
        assert worked(session).status == Status.CANCELED
        wait_until(lambda: shown.client.poll() is not None, "the client is thrown out")
    assert sshd.leftovers() == []


def test_a_terminate_without_cancel_cuts_and_the_user_may_come_back(
    server: sshd.Server, alice: User, admin: User, key: Path
) -> None:
    prepare(server, alice)
    session = given(alice)
    with terminal(server, session, key, b"") as shown:
        terminate(admin, session, cancel=False)
        worked(session)
        wait_until(lambda: shown.client.poll() is not None, "the client is thrown out")
    assert sshd.processes_of(session.login_account) == []
    assert server.ssh(session.login_account, key, "true").returncode == 0


def test_the_host_ends_the_account_by_itself_and_an_extension_moves_that(
    server: sshd.Server, alice: User, key: Path
) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(extension_limit=1, extension_by=dt.timedelta(days=3))
    session = given(alice)
    assert session.end_at is not None
    before = expiry(session.login_account)
    assert session.end_at.date() < before <= session.end_at.date() + dt.timedelta(days=2)
    extend(alice, session)
    assert worked(session).controls.get().state == "enforced"
    assert expiry(session.login_account) == before + dt.timedelta(days=3)
    assert server.ssh(session.login_account, key, "true").returncode == 0


def expiry(account: str) -> dt.date:
    """Return the first day on which the host refuses the account."""
    fields = subprocess.run(["getent", "shadow", account], capture_output=True, text=True, check=True).stdout.split(":")
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(fields[7]))


def test_the_end_is_announced_on_the_users_terminal(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(end_notice=dt.timedelta(hours=3))
    session = given(alice)
    PrivilegedSession.objects.filter(pk=session.pk).update(end_notice_sent=False)
    with terminal(server, session, key, b"") as shown:
        worked(session)
        wait_until(lambda: b"Save your work" in shown.text, "the announcement is on the terminal")
        assert b"This session ends at" in shown.text


def test_a_home_that_is_kept_is_closed_to_everybody_but_root(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(keep_home=True)
    session = given(alice)
    assert server.ssh(session.login_account, key, "echo work > result").returncode == 0
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    stored = Path(f"/home/{session.login_account}.session-{session.pk}")
    assert (stored / "result").read_text() == "work\n"
    assert (stored.stat().st_uid, stored.stat().st_mode & 0o777) == (0, 0o700)
    assert session.login_account not in sshd.accounts()


def test_a_session_asked_for_again_has_a_new_account(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice, login_account_template="satest-{user}")
    for _ in range(2):
        session = worked(ask(alice))
        assert session.status == Status.AVAILABLE, said(session)
        end(alice, session)
        assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []
