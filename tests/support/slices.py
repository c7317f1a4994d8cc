"""The slice of a user, as systemd keeps one for each user, on a machine without systemd."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import wait_until


@contextlib.contextmanager
def slice_of(uid: int) -> Iterator[Path]:
    """The slice that systemd would make for the user."""
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
