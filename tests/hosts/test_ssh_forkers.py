"""A program of root that sudo started and that forks very fast is stopped and ended by the slice of its user."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession
from tests.hosts.test_ssh_obstacles import COMET, are_still
from tests.support import own_accounts, sshd
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


@contextlib.contextmanager
def slice_of(uid: int) -> Iterator[Path]:
    """Create the slice that systemd would create for the user."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    found = [Path(words[1]) for words in mounts if words[2] == "cgroup2" and os.access(words[1], os.W_OK)]
    if not found:
        pytest.skip("this machine has no cgroups of version 2")
    place = found[0] / "user.slice" / f"user-{uid}.slice"
    made = [path for path in (place.parent, place) if not path.exists()]
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        (place / "cgroup.kill").write_text("1")
        wait_until(lambda: not (place / "cgroup.procs").read_text(), "its processes are gone")
        for path in reversed(made):
            with contextlib.suppress(OSError):  # another process of the tests has a slice there
                path.rmdir()


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
