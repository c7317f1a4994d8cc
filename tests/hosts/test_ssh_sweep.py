"""What an account leaves in /tmp and its like goes before its uid is free, however long that takes."""

from __future__ import annotations

import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.hosts.connectors.ssh import removal
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import sshd
from tests.support.ssh_scene import given, host_server, prepare, register_key, said, worked
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]

OURS = Path("/tmp/satest-sweep")


@pytest.fixture
def server(tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    with host_server(tmp_path) as running:
        yield running
        shutil.rmtree(OURS, ignore_errors=True)


@pytest.fixture
def session(server: sshd.Server, alice: User, tmp_path: Path) -> PrivilegedSession:
    """Return a session whose user left files in /tmp, /var/tmp and /dev/shm, and a directory with a file of root."""
    prepare(server, alice)
    key = register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    left = (
        "mkdir -p /tmp/satest-sweep/own/deep && touch /tmp/satest-sweep/own/deep/a /var/tmp/satest-b /dev/shm/satest-c"
    )
    assert server.ssh(session.login_account, key, left).returncode == 0
    (OURS / "of root").write_text("kept")
    return session


def owned_by(uid: int) -> list[Path]:
    """Return what `uid` owns, by find(1), which goes on when a file is removed while it looks (rglob() does not)."""
    here = [path for base in ("/tmp", "/var/tmp", "/dev/shm") for path in Path(base).glob("satest*")]
    if not here:
        return []
    found = subprocess.run(
        ["find", *here, "-ignore_readdir_race", "-uid", str(uid)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0 or "No such file" in found.stderr, found.stderr
    return [Path(line) for line in found.stdout.splitlines()]


def test_nothing_of_the_uid_is_left_and_what_others_put_there_is(session: PrivilegedSession, alice: User) -> None:
    uid = pwd.getpwnam(session.login_account).pw_uid
    assert len(owned_by(uid)) == 6
    end(alice, session)
    assert worked(session).status == Status.COMPLETE, said(session)
    assert owned_by(uid) == []
    assert [path.name for path in OURS.iterdir()] == ["of root"]
    assert OURS.stat().st_uid == 0
    assert sshd.leftovers() == []


def test_a_pass_that_takes_long_goes_on_alone_and_the_account_stays_until_it_is_over(
    session: PrivilegedSession, alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = pwd.getpwnam(session.login_account).pw_uid
    go = tmp_path / "go"
    slow = f"echo x >> {tmp_path}/begun; while [ ! -e {go} ]; do sleep 0.1; done; find "
    script = removal.REMOVE_ACCOUNT.replace('find "$@" \\(', f'{slow} "$@" \\(', 1).replace("-lt 150", "-lt 10")
    assert script.count(slow) == 1
    monkeypatch.setattr(removal, "REMOVE_ACCOUNT", script)
    end(alice, session)
    for _ in range(2):
        assert worked(session).status == Status.CANCELING
        assert "still being removed" in session.last_error
    assert session.login_account in sshd.accounts()
    assert (tmp_path / "begun").read_text() == "x\n"  # once, not again with each try
    go.touch()
    wait_until(lambda: owned_by(uid) == [], "the pass is over")
    wait_until(lambda: (sshd.STATE / f"session-{session.pk}" / "swept").exists(), "and noted")
    assert worked(session).status == Status.COMPLETE, said(session)
    assert sshd.leftovers() == []
