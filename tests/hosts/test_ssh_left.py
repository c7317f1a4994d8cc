"""What a session leaves on a host goes with it, whichever way it ends: each thing is planted, and each place is read
before and after. One host for all of it, with its at and cron."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import pwd
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.privileged.flows.account import lock_account, unlock_account
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lockdown import lock_down
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, own_accounts, sshd
from tests.support.machine import wrong_clock
from tests.support.planted import forget_left_of, left_of, plant, shell
from tests.support.scene import ask
from tests.support.ssh_scene import given, host_server, prepare, register_key, said, worked
from tests.support.waiting import seconds, wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.jobs, pytest.mark.clock, pytest.mark.django_db]

PAM = "auth required pam_deny.so\naccount required pam_unix.so\nsession required pam_loginuid.so\n"
OURS = f"satest{os.getpid()}"  # /tmp is not this test's alone
OTHER = f"{OURS}-other"
PEOPLE = ("end", "terminate", "expiry", "watchdog", "lock", "cut")


@pytest.fixture
def server(tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    if not own_accounts.IS_OWN:
        pytest.skip("this machine lets nobody mount: at and cron would be its own")
    Path("/etc/pam.d/sshd").write_text(PAM)
    with own_run(), host_server(tmp_path, pam=True) as running:
        yield running
        for uid in accounts_of_the_test():
            forget_left_of(uid)


@contextlib.contextmanager
def own_run() -> Iterator[None]:
    """Mount a /run of its own, because two daemons of the same kind do not start in the same one."""
    shell("mount -t tmpfs none /mnt && cp -a /run/sshd /run/screen /run/sudo /run/lock /mnt; mount --bind /mnt /run")
    try:
        yield
    finally:
        shell("umount -l /run; umount -l /mnt")


def accounts_of_the_test() -> list[int]:
    given_ids = [int(line.split()[0]) for line in (sshd.STATE / "uids").read_text().splitlines()]
    return [*given_ids, *(pwd.getpwnam(one).pw_uid for one in sshd.accounts())]


@contextlib.contextmanager
def daemons() -> Iterator[None]:
    """Run the host's atd with a clock three hours ahead, and its cron with a minute that takes a second."""
    clocks = {"atd": "+3h", "cron": "+0 x60"}
    with contextlib.ExitStack() as stack:
        for name, clock in clocks.items():
            daemon = subprocess.Popen([f"/usr/sbin/{name}", "-f"], env=os.environ | wrong_clock(clock))
            stack.callback(daemon.wait, 10)
            stack.callback(daemon.terminate)
        yield


@dataclass
class Leaver:
    """Somebody who plants everything."""

    user: User
    session: PrivilegedSession
    uid: int

    @property
    def account(self) -> str:
        return self.session.login_account

    def left(self) -> dict[str, list[str]]:
        return {place: what for place, what in left_of(self.account, self.uid).items() if what}


def leaver(server: sshd.Server, session: PrivilegedSession, tmp_path: Path) -> Leaver:
    uid = int(shell('id -u "$1"', session.login_account)[0])
    one = Leaver(session.user, session, uid)

    def run(script: str) -> None:
        done = server.ssh(
            one.account, tmp_path / f"id_{session.user_name}", f"sh -c {shlex.quote(script)} sh {one.account}"
        )
        assert done.returncode == 0, done.stderr

    plant(run, one.account, uid)
    read = left_of(one.account, uid)
    assert [place for place, what in read.items() if not what] == [], "planted and not seen"
    return one


def bystander() -> Leaver:
    """Create an account on the host that belongs to no session."""
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", OTHER], check=True)
    uid = int(shell('id -u "$1"', OTHER)[0])

    def run(script: str) -> None:
        words = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--init-groups", "sh", "-c", script, "sh", OTHER]
        done = subprocess.run(
            words, env={"HOME": f"/home/{OTHER}", "PATH": os.environ["PATH"]}, capture_output=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr

    plant(run, OTHER, uid)
    return Leaver(User(), PrivilegedSession(login_account=OTHER), uid)


def test_nothing_is_left_whichever_way_it_ends_and_nobody_elses_is_touched(
    server: sshd.Server, admin: User, tmp_path: Path
) -> None:
    other = bystander()
    people = [builders.make_user(name) for name in PEOPLE]
    resource = prepare(server, people[0], login_account_template=f"{OURS}-{{session}}")
    builders.make_policy("The others", users=people[1:], resources=[resource])
    ConnectionProfile.objects.update(maximum_duration=dt.timedelta(days=2))
    for user in people:
        register_key(user, tmp_path / f"id_{user.username}")
    sessions = [ask(user) for user in people]
    assert [worked(session).status for session in sessions] == [Status.AVAILABLE] * len(people)
    one = {session.user_name: leaver(server, session, tmp_path) for session in sessions}

    lock_account(admin, one["lock"].user, title="Stand back")
    assert worked(one["lock"].session).controls.get().state == "enforced", said(one["lock"].session)
    left = one["lock"].left()
    assert "crontab" not in left
    assert "files in /var/spool/cron" not in left
    assert {line[0] for line in left["processes"] if "sshd" not in line} == {"T"}
    assert any("sleep 4732" in line for line in left["processes"])  # by sudo, and with nothing that says so
    with daemons():
        for kind in ("at", "cron"):
            wait_until(Path(f"/tmp/{kind}-{one['end'].account}").exists, f"{kind} runs jobs")
        assert not any(Path(f"/tmp/{kind}-{one['lock'].account}").exists() for kind in ("at", "cron"))
        unlock_account(admin, one["lock"].user)
        worked(one["lock"].session)
        for kind in ("at", "cron"):
            wait_until(Path(f"/tmp/{kind}-{one['lock'].account}").exists, f"{kind} runs what was held")
        lock_account(admin, one["lock"].user, title="Stand back")
        worked(one["lock"].session)

    of_other = other.left()
    end(one["end"].user, one["end"].session)
    terminate(admin, one["terminate"].session)
    PrivilegedSession.objects.filter(pk=one["expiry"].session.pk).update(end_at=timezone.now())
    by_itself(one["watchdog"])
    assert one["watchdog"].left() == {}
    end(admin, one["lock"].session)
    assert all(line.ok for line in lock_down(admin, one["cut"].user))
    for leaver_ in one.values():
        assert worked(leaver_.session).is_ended, said(leaver_.session)
        assert (leaver_.user.username, leaver_.left()) == (leaver_.user.username, {})
    assert [line for line in sshd.leftovers() if OTHER not in line] == []
    assert other.left() == of_other
    assert [leaver_.uid for leaver_ in one.values()] == sorted({leaver_.uid for leaver_ in one.values()})
    again = given(people[0])
    assert int(shell('id -u "$1"', again.login_account)[0]) > one["cut"].uid


def by_itself(one: Leaver) -> None:
    """Let the host end the session by itself, as its watchdog does when the time is over."""
    notes = sshd.STATE / f"session-{one.session.pk}"
    [watchdog] = [pid for pid, directory in sshd.watchdogs() if directory == str(notes)]
    os.kill(watchdog, signal.SIGKILL)
    wait_until(lambda: watchdog not in dict(sshd.watchdogs()), "it is dead")
    (notes / "ends").write_text("another-boot 0 0\n")
    subprocess.run(["sh", str(notes / "watchdog"), str(one.session.pk)], check=True, timeout=seconds(60))
    assert (notes / "ended").exists()
