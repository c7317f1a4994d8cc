"""What is another person's, another session's or the system's stays whole, whatever happens to a session."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from sessions_app.hosts.models import ConsoleIdentity
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, own_accounts, sshd
from tests.support.ssh_scene import given, given_with_key, prepare, register_key, said, worked
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.jobs,
    pytest.mark.django_db,
    pytest.mark.skipif(not own_accounts.IS_OWN, reason="the accounts would be this machine's own"),
]

CRON = Path("/var/spool/cron/crontabs")
MANAGED = "satest-deploy"


def add(name: str, uid: int | None = None) -> int:
    words = [] if uid is None else ["--non-unique", "--uid", str(uid)]
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", "-p", "*", *words, name], check=True)
    return pwd.getpwnam(name).pw_uid


@contextlib.contextmanager
def process(
    uid: int, *words: str, login: int | None = None, sudo: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a process of `uid`. `login` is the user id in whose login it begins, `sudo` the one that called sudo."""
    begin = '[ -z "$2" ] || echo "$2" > /proc/self/loginuid; exec setpriv --reuid "$1" --regid "$1" --clear-groups "$@"'
    begin = begin.replace('"$@"', '"${@:3}"')
    environment = dict(os.environ) | ({} if sudo is None else {"SUDO_UID": str(sudo)})
    script = ["bash", "-c", begin, "bash", str(uid), "" if login is None else str(login), *words]
    with subprocess.Popen(script, env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True) as one:
        try:
            wait_until(lambda: Path(f"/proc/{one.pid}/comm").read_text().strip() == words[0], "it runs")
            yield one
        finally:
            one.kill()


def state(one: subprocess.Popen[str]) -> str:
    """Return the state of the process as ps(1) shows it; empty if it has ended."""
    if one.poll() is not None:
        return ""
    return Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[0]


def over(user: User, session: PrivilegedSession) -> None:
    session.refresh_from_db()
    end(user, session)
    assert worked(session).is_ended, said(session)


def test_a_session_of_another_console_with_the_same_number_goes_on(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    theirs = given_with_key(server, alice, tmp_path)
    account = pwd.getpwnam(theirs.login_account)
    notes = sshd.STATE / f"session-{theirs.pk}"
    identity = (notes / "console").read_text()
    assert identity == f"{ConsoleIdentity.text()}:{theirs.host_identity}\n"
    with process(account.pw_uid, "sleep", "4741") as running:
        for another in (
            f"{uuid.uuid4()}:{theirs.host_identity}\n",
            f"{ConsoleIdentity.text()}:20200101T000000.000000\n",
        ):
            (notes / "console").write_text(another)
            PrivilegedSession.objects.filter(pk=theirs.pk).update(
                status=Status.PROVISIONING, requested_at=timezone.now(), start_at=None, ended_at=None, attempts=0
            )
            ours = worked(theirs)
            assert worked(ours).status == Status.FAILED, said(ours)
            assert any("another console gave" in line for line in said(ours))
            with pytest.raises(CommandError, match=f"notes of the account {account.pw_name}"):
                call_command("audit_grants", "web-1", remove=True, stdout=StringIO())
            assert state(running) == "S"
            assert (notes / "console").read_text() == another
            assert pwd.getpwnam(account.pw_name) == account
            assert Path(account.pw_dir, ".ssh/authorized_keys").read_text()
        # An older version wrote no identity: then the account tells.
        (notes / "console").unlink()
        (notes / "account").write_text("satest-theirs\n")
        PrivilegedSession.objects.filter(pk=theirs.pk).update(status=Status.PROVISIONING, ended_at=None, attempts=0)
        ours = worked(worked(theirs))
        assert ours.status == Status.FAILED, said(ours)
        assert state(running) == "S"
        assert notes.exists()
        (notes / "account").write_text(f"{account.pw_name}\n")
    (notes / "console").write_text(f"{ConsoleIdentity.text()}:{ours.host_identity}\n")
    call_command("audit_grants", "web-1", remove=True, stdout=StringIO())
    assert sshd.accounts() == []


def test_whoever_has_the_user_id_of_a_session_by_now_is_left_alone(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    session = given_with_key(server, alice, tmp_path)
    uid = pwd.getpwnam(session.login_account).pw_uid
    over(alice, session)
    add("satest-bob", uid)
    file, crontab = Path(f"/tmp/satest-{os.getpid()}"), CRON / "satest-bob"
    for path in (file, crontab):
        path.write_text("* * * * * true\n")
        os.chown(path, uid, uid)
    with process(uid, "sleep", "4742") as running:
        with pytest.raises(CommandError, match=f"the user id {uid}, which satest-bob has by now"):
            call_command("audit_grants", "web-1", remove=True, stdout=StringIO())
        assert state(running) == "S"
        assert file.exists()
        assert crontab.exists()
    file.unlink()
    crontab.unlink()


def test_the_account_of_a_session_that_was_made_anew_for_another_is_left_alone(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    uid = add(MANAGED)
    prepare(server, alice, kind="managed", login_account_template=MANAGED)
    register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    subprocess.run(["userdel", "-r", MANAGED], check=True, capture_output=True)
    add("satest-zoe", uid)
    with process(uid, "sleep", "4743") as running:
        lock(admin, session, title="Stand back", message="")
        worked(session)
        assert any("another has its user id by now" in line for line in said(session))
        assert state(running) == "S"
        over(admin, session)
        assert state(running) == "S"
    assert any(f"the user id {uid} of {MANAGED} belongs to satest-zoe now" in line for line in said(session))


def test_processes_of_others_and_of_the_system_stay_whoever_restarted_what_leads_them(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    other = add("satest-other")
    session = given_with_key(server, alice, tmp_path)
    uid = pwd.getpwnam(session.login_account).pw_uid
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(process(uid, "sleep", "4744"))
        by_sudo = stack.enter_context(process(0, "sleep", "4745", login=uid, sudo=uid))
        begun = stack.enter_context(process(other, "sleep", "4746", login=uid, sudo=uid))
        daemon = stack.enter_context(process(0, "cron", "-f", login=uid, sudo=uid))
        lock(admin, session, title="Stand back", message="")
        worked(session)
        assert [state(one) for one in (own, by_sudo, begun, daemon)] == ["T", "T", "S", "S"], said(session)
        over(admin, session)
        assert [state(one) for one in (own, by_sudo, begun, daemon)] == ["", "", "S", "S"]


def test_what_a_service_from_before_the_session_starts_is_the_services(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    uid, ready = add(MANAGED), tmp_path / "ready"
    prepare(server, alice, kind="managed", login_account_template=MANAGED)
    register_key(alice, tmp_path / "id_alice")
    script = f"while [ ! -e {ready} ]; do sleep 0.05; done; sleep 4747 & echo $!; wait"
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:-2]:  # all below /tmp; a process of xdist has one more
        parent.chmod(0o755)
    with process(uid, "sh", "-c", script) as service:
        session = given(alice)
        ready.touch()
        assert service.stdout is not None
        worker = Path(f"/proc/{int(service.stdout.readline())}/stat")
        with process(uid, "sleep", "4748") as own:
            lock(admin, session, title="Stand back", message="")
            worked(session)
            assert (worker.read_text().split()[2], state(service), state(own)) == ("S", "S", "T")
            over(admin, session)
            assert (worker.read_text().split()[2], state(service), state(own)) == ("S", "S", "")
            os.kill(int(worker.parent.name), 9)


def test_what_others_have_in_the_home_below_a_mount_or_since_the_sweep_began_is_whole(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    other = add("satest-other")
    session = given_with_key(server, alice, tmp_path)
    uid = pwd.getpwnam(session.login_account).pw_uid
    home, mounted = Path(f"/home/{session.login_account}"), Path(f"/tmp/satest {os.getpid()}[x]")
    theirs, elsewhere = home / "theirs", Path(f"/srv/satest-{os.getpid()}")  # on the file system of /tmp, as a rule
    for directory in (mounted, elsewhere):
        directory.mkdir()
    work = elsewhere / "work"
    for path, owner in ((theirs, other), (work, uid)):
        path.write_text("x")
        os.chown(path, owner, owner)
    os.chown(mounted, uid, uid)
    subprocess.run(["mount", "--bind", str(elsewhere), str(mounted)], check=True)
    try:
        over(alice, session)
        assert work.stat().st_uid == uid
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
        shutil.rmtree(elsewhere)
        mounted.rmdir()
    stored = Path(f"{home}.session-{session.pk}")
    assert not home.exists()
    assert [path.name for path in stored.iterdir()] == ["theirs"]
    assert any(f"they are in {stored} now" in line for line in said(session))


def test_of_several_sessions_on_one_account_the_last_takes_what_came_since_the_first(
    server: sshd.Server, alice: User, outsider: User
) -> None:
    uid, crontab = add(MANAGED), CRON / MANAGED
    lines = {"grant_actions": "/bin/true", "remove_actions": "/bin/true"}
    resource = prepare(server, alice, kind="commands", login_account_template=MANAGED, **lines)
    builders.make_policy("The others", users=[outsider], resources=[resource])
    with process(uid, "sleep", "4751") as before:
        first = given(alice)
        with process(uid, "sleep", "4752") as between:
            second = given(outsider)
            crontab.write_text("* * * * * true\n")
            os.chown(crontab, uid, uid)
            over(alice, first)
            assert (state(before), state(between), crontab.exists()) == ("S", "S", True)
            assert any("until the last of them ends" in line for line in said(first))
            over(outsider, second)
            assert (state(before), state(between), crontab.exists()) == ("S", "", False)
