"""Two sessions whose commands open one account: what happens to one does not reach the processes of the other."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.catalogue.connectors import Grant
from sessions_app.catalogue.models import AccountKind
from sessions_app.hosts.connectors.ssh import connector
from sessions_app.hosts.connectors.ssh.host import GrantOnHost
from sessions_app.hosts.connectors.ssh.processes import PROCESSES
from sessions_app.hosts.connectors.ssh.scripts import HEAD
from sessions_app.hosts.connectors.ssh.transport import Remote
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.lockdown import lock_down
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, own_accounts, sshd
from tests.support.slices import slice_of
from tests.support.ssh_scene import given, host_server, prepare, register_key, said, worked
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.django_db,
    pytest.mark.skipif(not own_accounts.IS_OWN, reason="the account would be this machine's own"),
]

ACCOUNT = "satest-deploy"
PAM = "auth required pam_deny.so\naccount required pam_unix.so\nsession required pam_loginuid.so\n"


# A process of the other session that notes each SIGCONT, which it gets only after a SIGSTOP.
NOTES_SIGNALS = "import os, signal, sys, time; signal.signal(18, lambda *_: os.open(sys.argv[1], os.O_CREAT))"
NOTES_SIGNALS += "; print('ready', flush=True); [time.sleep(1) for _ in range(60)]"


def in_shell(script: str) -> str:
    """What the shell functions print for session 7."""
    words = ["sh", "-c", HEAD + PROCESSES + script, "sh", "7"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Shared:
    """Sessions of alice and of an outsider on one account that their own keys open."""

    def __init__(self, server: sshd.Server, alice: User, outsider: User, directory: Path) -> None:
        self.server = server
        subprocess.run(["useradd", "-m", "-s", "/bin/sh", "-p", "*", ACCOUNT], check=True)
        self.uid = pwd.getpwnam(ACCOUNT).pw_uid
        lines = {"grant_actions": "/bin/true", "remove_actions": "/bin/true"}
        resource = prepare(server, alice, kind=AccountKind.COMMANDS, login_account_template=ACCOUNT, **lines)
        builders.make_policy("The others", users=[outsider], resources=[resource])
        self.keys = {user: register_key(user, directory / f"id_{user.username}") for user in (alice, outsider)}
        keys = Path(f"/home/{ACCOUNT}/.ssh/authorized_keys")
        keys.parent.mkdir()
        keys.write_text("".join(key.with_suffix(".pub").read_text() for key in self.keys.values()))
        self.first, self.second = given(alice), given(outsider)

    def run(self, user: User, command: str) -> None:
        assert self.server.ssh(ACCOUNT, self.keys[user], command).returncode == 0

    @contextlib.contextmanager
    def logged_in(self, user: User, seconds: int) -> Iterator[None]:
        """Log in, with a program that is recognized by its number of seconds."""
        with sshd.client_running(self.server, ACCOUNT, self.keys[user], f"exec sleep {seconds}"):
            yield

    def state(self, seconds: int) -> str:
        """Return the state of the program with this number of seconds, as ps(1) shows it; empty if it has ended."""
        return "".join(line[0] for line in sshd.processes_of(ACCOUNT) if line.split()[1:] == ["sleep", str(seconds)])


@pytest.fixture
def shared(server: sshd.Server, alice: User, outsider: User, tmp_path: Path) -> Shared:
    return Shared(server, alice, outsider, tmp_path)


def enforced(session: PrivilegedSession) -> str:
    """Return what the newest control says about its effects on the host, after the worker enforced it."""
    control = worked(session).controls.latest("pk")
    assert control.state == "enforced", said(session)
    return control.host_remarks


def test_a_lock_and_terminate_leave_the_programs_of_the_other_session(
    shared: Shared, alice: User, outsider: User, admin: User, client: Client
) -> None:
    with shared.logged_in(alice, 4801), shared.logged_in(outsider, 4802):
        lock(admin, shared.first, title="Stand back", message="")
        assert "nobody logs in" in enforced(shared.first)
        assert (shared.state(4801), shared.state(4802)) == ("T", "S"), said(shared.first)
        assert worked(shared.second).status == Status.LOGGED_IN
        unlock(admin, shared.first)
        enforced(shared.first)
        assert (shared.state(4801), shared.state(4802)) == ("S", "S")
        terminate(admin, shared.first, cancel=False)
        assert enforced(shared.first) == ""
        assert (shared.state(4801), shared.state(4802)) == ("", "S")
        assert worked(shared.first).status == Status.AVAILABLE
        client.force_login(admin)
        assert "1 other open session" in client.get(f"/sessions/{shared.first.pk}/").text


def test_the_end_the_expiry_and_locks_of_the_account_leave_the_programs_of_the_other_session(
    shared: Shared, alice: User, outsider: User, admin: User
) -> None:
    with shared.logged_in(outsider, 4812):
        with shared.logged_in(alice, 4811):
            lock_account(admin, alice, title="Away", message="")
            assert enforced(shared.first)
            assert (shared.state(4811), shared.state(4812)) == ("T", "S")
            lock_down(admin, alice)
            assert worked(shared.first).status == Status.CANCELED, said(shared.first)
            assert (shared.state(4811), shared.state(4812)) == ("", "S")
        assert worked(shared.second).status == Status.LOGGED_IN
        PrivilegedSession.objects.filter(pk=shared.second.pk).update(end_at=timezone.now())
        worked(shared.second)
        assert worked(shared.second).status == Status.COMPLETE, said(shared.second)
        assert shared.state(4812) == ""


def test_what_cannot_be_told_apart_stands_still_in_a_lock_goes_on_after_terminate_and_is_named(
    shared: Shared, alice: User, outsider: User, admin: User
) -> None:
    words = ["setpriv", "--reuid", str(shared.uid), "--regid", str(shared.uid), "--clear-groups"]
    with shared.logged_in(outsider, 4822), subprocess.Popen([*words, "sleep", "4823"]) as unclear:
        wait_until(lambda: shared.state(4823) == "S", "it runs")
        lock(admin, shared.first, title="Stand back", message="")
        limits = enforced(shared.first)
        assert f"they stand still too: {unclear.pid}" in limits
        assert "until Unlock nobody logs in" in limits
        assert (shared.state(4822), shared.state(4823)) == ("S", "T")
        lock(admin, shared.second, title="Stand back", message="")
        enforced(shared.second)
        unlock(admin, shared.first)
        enforced(shared.first)
        assert (shared.state(4822), shared.state(4823)) == ("T", "T")
        unlock(admin, shared.second)
        enforced(shared.second)
        assert (shared.state(4822), shared.state(4823)) == ("S", "S")
        terminate(admin, shared.first)
        worked(shared.first)
        assert any(f"they go on: {unclear.pid}" in line for line in said(shared.first))
        assert (shared.state(4822), shared.state(4823)) == ("S", "S")
        end(outsider, shared.second)
        worked(shared.second)
        assert (shared.state(4822), shared.state(4823)) == ("", "")


def test_a_line_that_a_user_writes_into_the_log_makes_no_login_anothers(
    shared: Shared, alice: User, outsider: User, admin: User
) -> None:
    with shared.logged_in(alice, 4831):
        lines = [one for one in shared.server.printed().splitlines() if f"for {ACCOUNT} from" in one]
        hers = sshd.fingerprint(shared.keys[alice].with_suffix(".pub"))
        his = sshd.fingerprint(shared.keys[outsider].with_suffix(".pub"))
        accepted = next(one for one in lines if one.startswith("Accepted") and hers in one)
        with (shared.server.directory / "log").open("a") as log:
            log.write(f"{accepted.replace(hers, his)}\n")
        lock(admin, shared.first, title="Stand back", message="")
        assert "nothing tells them apart" in enforced(shared.first)
        assert shared.state(4831) == "T"


def test_programs_that_outlive_their_login_are_told_apart_by_its_audit_session(
    alice: User, outsider: User, admin: User, tmp_path: Path
) -> None:
    if Path("/proc/self/loginuid").exists() is False:
        pytest.skip("this kernel knows no audit sessions")
    Path("/etc/pam.d/sshd").write_text(PAM)
    with host_server(tmp_path, pam=True) as server:
        shared = Shared(server, alice, outsider, tmp_path)
        left = "env -i setsid nohup sleep {} > /dev/null 2>&1 &"
        for user, seconds in ((alice, 4841), (outsider, 4842)):
            with sshd.client_running(server, ACCOUNT, shared.keys[user], f"{left.format(seconds)} exec sleep 60"):
                worked(shared.first)
        wait_until(lambda: (shared.state(4841), shared.state(4842)) == ("S", "S"), "both outlive their logins")
        lock(admin, shared.first, title="Stand back", message="")
        enforced(shared.first)
        assert (shared.state(4841), shared.state(4842)) == ("T", "S")
        end(admin, shared.first)
        worked(shared.first)
        assert (shared.state(4841), shared.state(4842)) == ("", "S"), said(shared.first)


def test_a_host_that_ends_one_session_alone_leaves_the_programs_of_the_other(
    server: sshd.Server, alice: User, outsider: User, tmp_path: Path
) -> None:
    shared = Shared(server, alice, outsider, tmp_path)
    with shared.logged_in(alice, 4851), shared.logged_in(outsider, 4852):
        notes = sshd.STATE / f"session-{shared.first.pk}"
        boot, _, clock = (notes / "ends").read_text().split()
        (notes / "ends").write_text(f"{boot} 0 {clock}\n")
        [watchdog] = [pid for pid, directory in sshd.watchdogs() if directory == str(notes)]
        os.killpg(watchdog, signal.SIGKILL)  # it sleeps until the old end
        again = ["sh", str(notes / "watchdog"), str(shared.first.pk)]
        # It ends at once while the one that was killed is not quite gone.
        wait_until(lambda: (subprocess.run(again, check=True), (notes / "ended").exists())[1], "the host ended it")
        assert (shared.state(4851), shared.state(4852)) == ("", "S")


@pytest.mark.parametrize("is_end", [False, True])
def test_what_was_unclear_at_the_lock_and_is_the_other_sessions_later_goes_on(
    shared: Shared, alice: User, outsider: User, admin: User, is_end: bool
) -> None:
    log = sshd.STATE / f"session-{shared.first.pk}" / "log"
    with shared.logged_in(alice, 4861), shared.logged_in(outsider, 4862):
        log.rename(log.with_name("log.away"))
        lock(admin, shared.first, title="Stand back", message="")
        assert "nothing tells them apart" in enforced(shared.first)
        assert (shared.state(4861), shared.state(4862)) == ("T", "T")
        log.with_name("log.away").rename(log)
        if is_end:
            end(admin, shared.first)
            worked(shared.first)
            assert (shared.state(4861), shared.state(4862)) == ("", "S"), said(shared.first)
        else:
            unlock(admin, shared.first)
            enforced(shared.first)
            assert (shared.state(4861), shared.state(4862)) == ("S", "S")


def test_what_a_look_read_of_the_log_is_not_read_again(
    shared: Shared, alice: User, outsider: User, admin: User
) -> None:
    with shared.logged_in(alice, 4871), shared.logged_in(outsider, 4872):
        worked(shared.first)
        log = shared.server.directory / "log"
        log.write_bytes(b"x" * (log.stat().st_size - 1) + b"\n")
        lock(admin, shared.first, title="Stand back", message="")
        enforced(shared.first)
        assert (shared.state(4871), shared.state(4872)) == ("T", "S"), said(shared.first)


def test_a_login_that_may_be_of_two_sessions_of_one_person_is_each_ones(
    shared: Shared, alice: User, outsider: User, admin: User
) -> None:
    lines = {"kind": "commands", "login_account_template": ACCOUNT, "grant_actions": "/bin/true"}
    deploy = builders.make_activity("Deploy", remove_actions="/bin/true", **lines)
    builders.make_policy("Deploying", users=[alice], activities=[deploy], resources=[shared.first.resource])
    [third] = request_sessions(alice, user=alice, activity=deploy, resources=[shared.first.resource])
    assert worked(third).status == Status.AVAILABLE, said(third)
    with shared.logged_in(alice, 4881), shared.logged_in(outsider, 4882):
        for one in (shared.first, third):
            lock(admin, one, title="Stand back", message="")
            enforced(one)
        assert (shared.state(4881), shared.state(4882)) == ("T", "S")
        unlock(admin, third)
        enforced(third)
        assert shared.state(4881) == "T"
        unlock(admin, shared.first)
        enforced(shared.first)
        assert shared.state(4881) == "S"
        terminate(admin, shared.first, cancel=False)
        assert enforced(shared.first) == ""
        assert (shared.state(4881), shared.state(4882)) == ("", "S")


def test_where_the_slice_of_the_user_can_be_frozen_the_other_sessions_programs_get_no_signal(
    shared: Shared, alice: User, outsider: User, admin: User
) -> None:
    noted = Path(f"/home/{ACCOUNT}/continued")
    script = f'exec python3 -c "{NOTES_SIGNALS}" {noted}'
    client = sshd.client_running(shared.server, ACCOUNT, shared.keys[outsider], script)
    with slice_of(shared.uid), shared.logged_in(alice, 4891), client as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        lock(admin, shared.first, title="Stand back", message="")
        enforced(shared.first)
        assert shared.state(4891) == "T"
        terminate(admin, shared.first, cancel=False)
        enforced(shared.first)
        assert shared.state(4891) == ""
        assert not noted.exists()


def test_a_kernel_without_audit_sessions_keeps_no_login_from_being_known() -> None:
    without = 'cat() { case "$1" in */sessionid) return 1 ;; esac; command cat "$@"; }'
    assert in_shell(f"{without}\nnote_traces login $$ 7\necho went on") == "went on\n"


def test_a_process_that_begins_during_a_look_belongs_to_its_login() -> None:
    script = """
    sh -c 'sleep 1; sleep 3; :' > /dev/null &
    owners="shared
login $! 9"
    helper=$!
    {
      until ps -o args= --ppid "$helper" | grep -qx "sleep 3"; do sleep 0.1; done
      ps -o pid= --ppid "$helper"
    } | owned
    kill "$helper"
    """
    assert in_shell(script).split()[1:] == ["9", "surely"]


def test_each_limit_of_a_lock_has_room_in_its_row_and_other_lines_are_only_said() -> None:
    grant = Grant(7, "web-1", "127.0.0.1", 22, ACCOUNT, "alice", (), (), timezone.now())
    lines: list[str] = []
    on = GrantOnHost(create_autospec(Remote), grant, lambda text, level: lines.append(text), 0, "")
    limits = connector._warn(on, f"in ~{ACCOUNT}: it is moved aside\nlimit: {'a' * 400}\nlimit: {'b' * 400}\n")
    assert len(limits) <= 500
    assert [part[:9] for part in limits.split("; ")] == ["a" * 9, "b" * 9]
    assert [line[:16] for line in lines] == ["On web-1 in ~sat", "On web-1 aaaaaaa", "On web-1 bbbbbbb"]
