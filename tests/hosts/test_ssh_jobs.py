"""User ids are given once, jobs of earlier accounts and mounts in a home stay, and what is left is reported."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from sessions_app.hosts.connectors.ssh import left
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import own_accounts, sshd
from tests.support.planted import running, user_systemd
from tests.support.scene import ask
from tests.support.ssh_scene import given, given_with_key, host_server, prepare, register_key, said, worked
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.jobs,
    pytest.mark.django_db,
    pytest.mark.skipif(not own_accounts.IS_OWN, reason="the spools would be this machine's own"),
]

AT, CRON = Path("/var/spool/cron/atjobs"), Path("/var/spool/cron/crontabs")
MANAGED = "satest-deploy"


@pytest.fixture
def server(tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    with host_server(tmp_path) as running:
        yield running
        for spool in (AT, CRON):
            for path in spool.glob("[a-z]*"):
                path.unlink()


def ended(user: User, session: PrivilegedSession) -> None:
    end(user, session)
    assert worked(session).status == Status.COMPLETE, said(session)


def planted(path: Path, uid: int, text: str = "x\n") -> Path:
    path.write_text(text)
    os.chown(path, uid, uid)
    return path


def test_no_user_id_comes_twice_nor_one_of_which_something_is_there(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    prepare(server, alice, login_account_template="satest-{user}")
    register_key(alice, tmp_path / "id_alice")
    seen = []
    for number in range(3):
        session = given(alice)
        account = pwd.getpwnam(session.login_account)
        assert account.pw_gid == account.pw_uid
        seen.append(account.pw_uid)
        if number == 1:  # a job of the next one waits already, as on a host that was restored from a backup
            planted(AT / "a0000101c8b9f6", account.pw_uid + 1)
        ended(alice, session)
    assert seen == [seen[0], seen[0] + 1, seen[0] + 3]
    assert not Path("/etc/subuid").read_text()


def test_a_host_without_a_number_left_is_given_nothing(
    server: sshd.Server, alice: User, tmp_path: Path, settings: Any
) -> None:
    last = os.environ["HOST_ACCOUNT_IDS"].split("-")[1]
    settings.HOST_ACCOUNT_IDS = f"{last}-{last},0-0"  # and one that somebody has
    prepare(server, alice)
    register_key(alice, tmp_path / "id_alice")
    ended(alice, given(alice))
    session = worked(ask(alice))
    assert session.status == Status.FAILED
    assert "has no user id left for a new account" in session.end_reason
    assert sshd.leftovers() == []


def test_files_of_what_is_mounted_in_the_home_stay(server: sshd.Server, alice: User, tmp_path: Path) -> None:
    session = given_with_key(server, alice, tmp_path)
    uid = pwd.getpwnam(session.login_account).pw_uid
    home = Path(f"/home/{session.login_account}")
    elsewhere = Path("/home/of all")
    (elsewhere / "deep").mkdir(parents=True)
    work = planted(elsewhere / "deep" / "work", uid)
    (home / "a mount").mkdir()
    subprocess.run(["mount", "--bind", str(elsewhere), str(home / "a mount")], check=True)
    (home / "link").symlink_to(elsewhere)
    ended(alice, session)
    assert not home.exists()
    assert work.stat().st_uid == uid
    shutil.rmtree(elsewhere)


def test_jobs_of_an_account_that_was_there_are_as_before_the_session(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", "-p", "*", MANAGED], check=True)
    uid = pwd.getpwnam(MANAGED).pw_uid
    older = planted(AT / "a0000101c8b9f0", uid)
    crontab = planted(CRON / MANAGED, uid, "1 1 * * * backup\n")
    prepare(server, alice, kind="managed", login_account_template=MANAGED)
    register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    newer = planted(AT / "a0000201c8b9f0", uid)
    planted(crontab, uid, "* * * * * sudo -n id\n")
    lock(admin, session, title="Stand back", message="")
    worked(session)
    assert not newer.exists()
    assert crontab.read_text() == "1 1 * * * backup\n"
    session.refresh_from_db()
    unlock(admin, session)
    worked(session)
    assert newer.stat().st_uid == uid
    assert crontab.read_text() == "* * * * * sudo -n id\n"
    ended(alice, session)
    assert older.exists()
    assert not newer.exists()
    assert (crontab.read_text(), crontab.stat().st_uid) == ("1 1 * * * backup\n", uid)
    stored = sshd.STATE / f"crontab-of-{MANAGED}.session-{session.pk}"
    assert stored.read_text() == "* * * * * sudo -n id\n"
    assert any(str(stored) in line for line in said(session))


def test_what_came_after_the_end_is_found_by_its_user_id_and_removed(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    session = given_with_key(server, alice, tmp_path)
    uid = pwd.getpwnam(session.login_account).pw_uid
    ended(alice, session)
    job, other = planted(AT / "a0000101c8b9f6", uid), planted(AT / "a0000201c8b9f6", 1)
    with pytest.raises(CommandError, match=rf"job {job} of the user id {uid} of session {session.pk}"):
        call_command("audit_grants", "web-1", stdout=StringIO())
    call_command("audit_grants", "web-1", remove=True, stdout=StringIO())
    assert not job.exists()
    assert other.exists()
    assert sshd.leftovers() == []


def test_its_own_systemd_stands_still_with_a_lock_and_goes_with_the_session(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    session = given_with_key(server, alice, tmp_path)
    uid = pwd.getpwnam(session.login_account).pw_uid
    with user_systemd(uid, session.login_account) as is_there:
        if not is_there:
            pytest.skip("systemd --user cannot be had on this machine (system package: systemd)")
        assert list(Path(f"/run/user/{uid}/systemd/transient").glob("*.timer"))
        lock(admin, session, title="Stand back", message="")
        worked(session)
        assert [line[0] for line in running(uid)] == ["T"]
        end(admin, session)
        assert worked(session).status == Status.CANCELED, said(session)
        assert running(uid) == []
        assert not Path(f"/run/user/{uid}").exists()


def test_what_begins_for_a_locked_account_all_the_same_stands_still_at_the_next_look(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    session = given_with_key(server, alice, tmp_path)
    uid = pwd.getpwnam(session.login_account).pw_uid
    lock(admin, session, title="Stand back", message="")
    worked(session)
    with subprocess.Popen(["setpriv", f"--reuid={uid}", "--clear-groups", "sleep", "4736"]):  # as from root's crontab
        wait_until(lambda: running(uid) == ["S sleep 4736"], "it has begun")
        worked(session)
        assert running(uid) == ["T sleep 4736"]
        session.refresh_from_db()
        unlock(admin, session)
        worked(session)
        assert running(uid) == ["S sleep 4736"]
        ended(alice, session)


def test_an_account_that_root_made_a_second_root_goes_and_nothing_of_roots_with_it(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    prepare(server, alice)
    key = register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    uid = pwd.getpwnam(session.login_account).pw_uid
    of_root, process = tmp_path / "of root", subprocess.Popen(["sleep", "4737"])
    of_root.touch()
    change = f"sudo -n sed -i 's/^{session.login_account}:x:{uid}:{uid}:/{session.login_account}:x:0:0:/' /etc/passwd"
    assert server.ssh(session.login_account, key, f"touch /tmp/satest-{os.getpid()}; {change}").returncode == 0
    assert pwd.getpwnam(session.login_account).pw_uid == 0
    ended(alice, session)
    assert session.login_account not in sshd.accounts()
    assert not Path(f"/tmp/satest-{os.getpid()}").exists()
    assert of_root.exists()
    assert process.poll() is None
    process.kill()
    process.wait(10)


def test_an_account_that_commands_made_and_removed_leaves_nothing_either(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    add, remove = "/usr/sbin/useradd satest-made", "/usr/sbin/userdel satest-made"
    prepare(
        server, alice, kind="commands", login_account_template="satest-made", grant_actions=add, remove_actions=remove
    )
    session = given(alice)
    uid = pwd.getpwnam("satest-made").pw_uid
    job, file = planted(AT / "a0000101c8b9f6", uid), planted(Path(f"/tmp/satest-{os.getpid()}"), uid)
    crontab, other = planted(CRON / "satest-made", uid), planted(AT / "a0000201c8b9f6", 1)
    ended(alice, session)
    assert not [path for path in (job, file, crontab) if path.exists()]
    assert other.exists()


def test_what_is_left_is_said_in_one_line() -> None:
    assert left.parse("") == ""
    rest = left.parse("line:/etc/a\x1b[2J\n" + "".join(f"key:{n}\n" for n in range(30)))
    assert rest.startswith("line /etc/a [2J, key 0, ")
    assert rest.endswith("key 8 and 21 more")
