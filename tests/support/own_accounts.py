"""Accounts of their own for each process of the tests, so that several can make some at the same time.

The process goes into a mount namespace in which /etc is a copy, /home and the notes of sessions are empty and root's
shell has no settings; new accounts get numbers that no other process of the tests gives. Whatever a test leaves there
goes with the process. Where that is not allowed (no root, a container without the right to mount), the machine's own
accounts are used, one test after the other (sshd.alone).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

NEW_NAMESPACE_OF_MOUNTS = 0x00020000  # CLONE_NEWNS, unshare(2)
ROOM = 600  # user ids of one process: the first hundred for useradd(8), the others for the accounts of sessions
PLACES = 60
PRIVATE = r"""
set -eu
mount --make-rprivate /
mkdir -p /var/lib/sessionadmin
mount -t tmpfs -o mode=0700 tmpfs /var/lib/sessionadmin
cp -a /etc /var/lib/sessionadmin/etc
mount --bind /var/lib/sessionadmin/etc /etc
mount -t tmpfs -o mode=0700 tmpfs /var/lib/sessionadmin
for d in /home /var/mail /var/spool/cron; do
  [ -d "$d" ] || continue
  mount --bind "$d" /var/lib/sessionadmin # the spools keep their owners and modes
  mount -t tmpfs -o mode=0755 tmpfs "$d"
  (cd /var/lib/sessionadmin && find . \( -type d -o -name .SEQ \) -exec sh -c 'for f; do
    if [ -d "$f" ]; then mkdir -p "$0/$f"; else : > "$0/$f"; fi
    chown --reference="$f" "$0/$f" && chmod --reference="$f" "$0/$f"
  done' "$d" {} +)
  umount /var/lib/sessionadmin
done
# What root's programs keep under the names of accounts, which several processes of the tests give alike.
for d in /var/lib/sudo /run/sudo /run/faillock; do
  mkdir -p "$d"
  mount -t tmpfs -o "mode=$(stat -c %a "$d")" tmpfs "$d"
done
# What root's shell does here at every command over SSH says nothing about us, and may take longer than the command.
[ ! -f ~root/.bashrc ] || mount --bind /dev/null ~root/.bashrc
# What a console on this machine has given at the moment is not ours.
for a in $(grep ':sessionadmin session-' /etc/passwd | cut -d: -f1); do
  sed -i "/^$a:/d" /etc/passwd /etc/shadow /etc/group /etc/gshadow
done
rm -f /etc/sudoers.d/sessionadmin-[0-9]* /etc/sudoers.d/.sessionadmin-*
sed -i -E "s/^#?\s*(UID|GID)_MIN.*/\1_MIN $1/; s/^#?\s*(UID|GID)_MAX.*/\1_MAX $2/" /etc/login.defs
"""


def isolate() -> bool:
    """Give this process, and whatever it starts, accounts of its own; whether that was possible.

    Only the calling thread and those that it starts later change, so call it first.
    """
    if os.geteuid() != 0 or sys.platform != "linux":
        return False
    before = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.unshare(NEW_NAMESPACE_OF_MOUNTS) != 0:
            return False
        first = 20_000 + place() * ROOM
        words = ["sh", "-c", PRIVATE, "sh", str(first), str(first + 99)]
        made = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
        if made.returncode != 0:
            libc.setns(before, NEW_NAMESPACE_OF_MOUNTS)  # whatever was mounted goes with the namespace
            print(f"No accounts of its own for the tests: {made.stderr.strip()}", file=sys.stderr)  # noqa: T201
            return False
    finally:
        os.close(before)
    os.environ["HOST_ACCOUNT_IDS"] = f"{first + 100}-{first + ROOM - 1}"
    os.chdir(Path.cwd())  # the way to it may lead through what was mounted
    return True


def end_processes() -> None:
    """End whatever runs with a user id of this process, also when its account is gone.

    A run of the tests that was killed may have left stopped processes, which never end by themselves. They would count
    as those of the next account with this user id.
    """
    first = int(os.environ["HOST_ACCOUNT_IDS"].partition("-")[0]) - 100
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            real = int(status.read_text(errors="replace").partition("\nUid:")[2].split()[0])
            if first <= real < first + ROOM:
                os.kill(int(status.parent.name), signal.SIGKILL)


def place() -> int:
    """Return a number below PLACES that no other test process on this machine gets while this one runs."""
    for number in range(PLACES):
        handle = os.open(f"/tmp/sessionadmin-tests-of-accounts-{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until the process is gone
        except BlockingIOError:
            os.close(handle)
            continue
        return number
    raise RuntimeError(f"{PLACES} processes of the tests run on this machine already")


IS_OWN = isolate()
