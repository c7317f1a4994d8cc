"""Accounts of their own for each process of the tests, so that several can make some at the same time.

The process goes into a mount namespace in which /etc is a copy, /home and the notes of sessions are empty and root's
shell has no settings; new accounts get numbers that no other process of the tests gives. Whatever a test leaves there
goes with the process. Where that is not allowed (no root, a container without the right to mount), the machine's own
accounts are used, one test after the other (sshd.alone).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

NEW_NAMESPACE_OF_MOUNTS = 0x00020000  # CLONE_NEWNS, unshare(2)
ROOM = 100  # account numbers of one process
PRIVATE = r"""
set -eu
mount --make-rprivate /
mkdir -p /var/lib/sessionadmin
mount -t tmpfs -o mode=0700 tmpfs /var/lib/sessionadmin
cp -a /etc /var/lib/sessionadmin/etc
mount --bind /var/lib/sessionadmin/etc /etc
mount -t tmpfs -o mode=0700 tmpfs /var/lib/sessionadmin
for d in /home /var/mail /var/spool/cron; do
  [ ! -d "$d" ] || mount -t tmpfs -o mode=0755 tmpfs "$d"
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
        first = 20_000 + os.getpid() % 400 * ROOM
        words = ["sh", "-c", PRIVATE, "sh", str(first), str(first + ROOM - 1)]
        made = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
        if made.returncode != 0:
            libc.setns(before, NEW_NAMESPACE_OF_MOUNTS)  # whatever was mounted goes with the namespace
            print(f"No accounts of its own for the tests: {made.stderr.strip()}", file=sys.stderr)  # noqa: T201
            return False
    finally:
        os.close(before)
    os.chdir(Path.cwd())  # the way to it may lead through what was mounted
    return True


IS_OWN = isolate()
