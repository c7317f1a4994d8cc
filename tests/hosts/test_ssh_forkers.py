"""A program of root that sudo started and that forks very fast is stopped and ended by the slice of its user."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession
from tests.hosts.test_ssh_obstacles import COMET, are_still
from tests.support import own_accounts, sshd
from tests.support.slices import slice_of
from tests.support.ssh_scene import given_with_key, said, worked
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.django_db,
    pytest.mark.skipif(not own_accounts.IS_OWN, reason="processes would be this machine's own"),
]

# In a process namespace of its own that ends after a while, so that no fault of ours leaves it behind.
ALONE = 'echo $$ > "$1/cgroup.procs"; exec unshare --pid --fork --kill-child sh -c "$2" sh'
BEGIN = "setsid python3 -c '{}' {} & sleep 90"


def enforced(session: PrivilegedSession) -> None:
    assert worked(session).controls.latest("pk").state == "enforced", said(session)


def test_a_fast_forker_of_root_in_the_slice_of_the_user_is_stopped_and_ended(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    session = given_with_key(server, alice, tmp_path)
    uid = pwd.getpwnam(session.login_account).pw_uid
    count = tmp_path / "count"
    with slice_of(uid) as place:
        words = ["sh", "-c", ALONE, "sh", str(place), BEGIN.format(COMET, count)]
        with subprocess.Popen(words, env=os.environ | {"SUDO_UID": str(uid)}) as forker:
            try:
                wait_until(lambda: count.exists() and bool(count.read_bytes()), "it is on its way")
                lock(admin, session, title="Stand back", message="")
                enforced(session)
                assert are_still([count])
                assert (place / "cgroup.freeze").read_text() == "0\n"
                unlock(admin, session)
                enforced(session)
                wait_until(lambda: not are_still([count]), "it goes on")
                terminate(admin, session, cancel=False)
                enforced(session)
                assert are_still([count])
            finally:
                (place / "cgroup.kill").write_text("1")
                forker.wait(10)


def test_a_look_thaws_what_a_script_that_was_cut_off_froze_and_nothing_else(
    server: sshd.Server, alice: User, tmp_path: Path
) -> None:
    session = given_with_key(server, alice, tmp_path)
    note = sshd.STATE / f"session-{session.pk}" / "frozen"
    with slice_of(pwd.getpwnam(session.login_account).pw_uid) as place:
        freezer = place / "cgroup.freeze"
        freezer.write_text("1")  # an administrator by hand
        worked(session)
        assert freezer.read_text() == "1\n"
        began = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        note.write_text(f"{os.getpid()} {began}\n")  # a script that is at work
        worked(session)
        assert freezer.read_text() == "1\n"
        note.write_text(f"{os.getpid()} 1\n")
        worked(session)
        assert freezer.read_text() == "0\n"
        assert not note.exists()
