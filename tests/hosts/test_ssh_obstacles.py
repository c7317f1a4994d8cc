"""What a user without root does to be out of reach: Lock, Disconnect and End come all the same, at the first try."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import own_accounts, sshd
from tests.support.ssh_scene import given, host_server, prepare, register_key, said, terminal, worked
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.jobs,
    pytest.mark.django_db,
    pytest.mark.skipif(not own_accounts.IS_OWN, reason="processes and spools would be this machine's own"),
]
MANAGED = "satest-deploy"
CRON = Path("/var/spool/cron/crontabs")
# Each is run in the home; no login is by a file that is in such a way.
OBSTACLES = (
    "rm -rf .ssh; touch .ssh",
    "rm .ssh/authorized_keys; mkfifo .ssh/authorized_keys",
    "chmod 0 .ssh/authorized_keys; chmod 0500 .ssh",
    "rm -rf .ssh; ln -s /nowhere .ssh",
    "rm .ssh/authorized_keys; mkdir -p .ssh/authorized_keys/in-the-way",
)
# A process that is never twice the same one; it counts in a file.
COMET = """
import os, sys
number = 0
counted = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o644)
while True:
    if os.fork():
        os._exit(0)
    number += 1
    os.pwrite(counted, b"%d" % number, 0)
"""
# In a process namespace of its own that ends after a while, so that no fault of ours leaves it behind.
ALONE = 'i=0; while [ $i -lt 3 ]; do "$@" "/tmp/comet-$U-$i" & i=$((i + 1)); done; sleep 60'
BLOCKED = """
import fcntl, os, pty, sys, termios, time
for _ in range(40):
    near, far = pty.openpty()
    if os.fork() == 0:
        os.setsid()
        fcntl.ioctl(far, termios.TIOCSCTTY, 0)
        os.set_blocking(far, False)
        for size in (4096, 1):
            try:
                while True:
                    os.write(far, b"x" * size)
            except BlockingIOError:
                pass
        time.sleep(90)
print("all of them are full", flush=True)
time.sleep(90)
"""


@pytest.fixture
def server(tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    with host_server(tmp_path) as running:
        yield running
        for path in CRON.glob("satest*"):
            path.unlink()


@pytest.fixture
def managed() -> int:
    """Create an account before the session, and return its user id."""
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", "-p", "*", MANAGED], check=True)
    return pwd.getpwnam(MANAGED).pw_uid


def enforced(session: PrivilegedSession) -> None:
    assert worked(session).controls.latest("pk").state == "enforced", said(session)


def as_user(uid: int, *words: str) -> list[str]:
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *words]


def in_home(account: str, script: str) -> None:
    subprocess.run(as_user(pwd.getpwnam(account).pw_uid, "sh", "-ec", f"cd ~{account}; {script}"), check=True)


@contextlib.contextmanager
def comets(uid: int) -> Iterator[list[Path]]:
    """Run three programs of the user id that fork very fast. Yield the files in which they count."""
    counts = [Path(f"/tmp/comet-{uid}-{number}") for number in range(3)]
    alone = ["unshare", "--pid", "--fork", "--kill-child", "env", f"U={uid}", "sh", "-c", ALONE, "sh"]
    line = [*alone, "prlimit", "--nproc=100", *as_user(uid, "/usr/bin/python3", "-c", COMET)]
    process = subprocess.Popen(line)
    try:
        wait_until(lambda: all(path.exists() and path.read_bytes() for path in counts), "they are on their way")
        yield counts
    finally:
        process.kill()
        process.wait(10)
        for path in counts:
            path.unlink(missing_ok=True)


def are_still(counts: list[Path]) -> bool:
    before = [path.read_bytes() for path in counts]
    time.sleep(0.2)
    return [path.read_bytes() for path in counts] == before


def test_nothing_in_the_home_keeps_a_lock_or_the_end_away(
    server: sshd.Server, alice: User, admin: User, managed: int, tmp_path: Path
) -> None:
    prepare(server, alice, kind="managed", login_account_template=MANAGED, sudo_rule="")
    key = register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    for obstacle in OBSTACLES:
        with sshd.client_running(server, MANAGED, key, "sleep 60"):
            in_home(MANAGED, obstacle)
            crontab = CRON / MANAGED
            crontab.write_text("* * * * * true\n")
            os.chown(crontab, managed, managed)
            lock(admin, session, title="Stand back", message="")
            enforced(session)
            assert {line[0] for line in sshd.processes_of(MANAGED)} == {"T"}, obstacle
            assert not crontab.exists(), obstacle
            assert server.ssh(MANAGED, key, "true").returncode == 255, obstacle
            unlock(admin, session)
            enforced(session)
            assert server.ssh(MANAGED, key, "true").returncode == 0, obstacle
    in_home(MANAGED, OBSTACLES[1])
    end(alice, session)
    assert worked(session).status == Status.COMPLETE, said(session)
    assert sshd.processes_of(MANAGED) == []
    assert server.ssh(MANAGED, key, "true").returncode == 255


def test_keys_that_cannot_be_taken_from_an_account_shut_it_while_it_is_locked(
    server: sshd.Server, alice: User, admin: User, managed: int, tmp_path: Path
) -> None:
    prepare(server, alice, kind="managed", login_account_template=MANAGED, sudo_rule="")
    key = register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    place = f"/home/{MANAGED}/.ssh"
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        lock(admin, session, title="Stand back", message="")
        enforced(session)
        assert server.ssh(MANAGED, key, "true").returncode == 255
        end(admin, session)
        assert worked(session).status == Status.CANCELED, said(session)
    finally:
        subprocess.run(["umount", place], check=True)
    assert any("could not be written" in line for line in said(session))
    shadow = subprocess.run(["getent", "shadow", MANAGED], capture_output=True, text=True, check=True).stdout
    assert shadow.split(":")[7] == ""


def test_terminals_that_take_no_more_hold_up_no_lock_and_the_others_are_told(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    prepare(server, alice)
    key = register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    uid = pwd.getpwnam(session.login_account).pw_uid
    with terminal(server, session, key, b"echo first-$((1+1))\n") as shown:
        wait_until(lambda: b"first-2" in shown.text, "the shell answers")
        line = as_user(uid, "/usr/bin/python3", "-c", BLOCKED)
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as blocked:
            assert blocked.stdout is not None
            assert blocked.stdout.readline()
            lock(admin, session, title="Stand back", message="Ask the desk")
            enforced(session)
            assert {line[0] for line in sshd.processes_of(session.login_account)} == {"T"}
            wait_until(lambda: b"Ask the desk" in shown.text, "the message is on the terminal")
            terminate(admin, session)
            assert worked(session).status == Status.CANCELED, said(session)
    assert sshd.leftovers() == []


def test_a_fast_forker_is_stopped_and_ended(server: sshd.Server, alice: User, admin: User, tmp_path: Path) -> None:
    prepare(server, alice)
    register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    uid = pwd.getpwnam(session.login_account).pw_uid
    with comets(uid) as counts:
        lock(admin, session, title="Stand back", message="")
        enforced(session)
        assert are_still(counts)
        assert {line[0] for line in sshd.processes_of(session.login_account)} == {"T"}
        unlock(admin, session)
        enforced(session)
        wait_until(lambda: not are_still(counts), "they go on")
        terminate(admin, session, cancel=False)
        worked(session)
        assert are_still(counts)
        assert sshd.processes_of(session.login_account) == []


def test_a_fast_forker_of_an_account_that_was_there_is_ended_and_its_service_goes_on(
    server: sshd.Server, alice: User, admin: User, managed: int, tmp_path: Path
) -> None:
    prepare(server, alice, kind="managed", login_account_template=MANAGED, sudo_rule="")
    register_key(alice, tmp_path / "id_alice")
    service = subprocess.Popen(as_user(managed, "sleep", "90"))
    try:
        wait_until(lambda: bool(sshd.processes_of(MANAGED)), "the service runs")
        session = given(alice)
        with comets(managed) as counts:
            lock(admin, session, title="Stand back", message="")
            enforced(session)
            assert are_still(counts)
            assert [line[0] for line in sshd.processes_of(MANAGED)].count("S") == 1
            end(admin, session)
            assert worked(session).status == Status.CANCELED, said(session)
            assert are_still(counts)
        assert [line[0] for line in sshd.processes_of(MANAGED)] == ["S"]
        assert service.poll() is None
    finally:
        service.kill()
        service.wait(10)


def test_a_home_that_root_mounted_on_itself_is_kept_and_a_group_of_another_account_keeps_no_session(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(keep_home=True)
    register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    account = session.login_account
    home = f"/home/{account}"
    Path(home, "work").touch()
    subprocess.run(["mount", "--bind", home, home], check=True)
    subprocess.run(["useradd", "-M", "-N", "-g", account, "satest-other"], check=True)
    end(alice, session)
    assert worked(session).status == Status.COMPLETE, said(session)
    assert Path(f"{home}.session-{session.pk}", "work").exists()
    with pytest.raises(KeyError):
        pwd.getpwnam(account)
