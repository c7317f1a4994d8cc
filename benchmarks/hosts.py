"""Linux hosts for a benchmark: OpenSSH servers on loopback, each with accounts, processes and notes of its own.

Each lives in its own mount and process namespace: /etc is a copy in memory; /home, /root, /var, /run, /tmp and /dev/shm
are empty; it sees no process but its own. Nothing that happens there reaches this machine, and all of it is gone when
the server ends. Needs root and util-linux. Knows neither sessions nor a database.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.machine import sshd
from tests.support.programs import free_port
from tests.support.sshd import alone, make_key, public_half
from tests.support.waiting import wait_until

# $1: directory with host_key and authority.pub. $2: port. $3: path of sshd. $4: empty, or "again" for a host whose sshd
# is started again when it ends, unless the file /run/host/away says that the host is away.
PRIVATE = r"""
set -eu
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/sshd /run/host
cp -a "$1/." /run/host
cp -a /etc /run/etc
mount --bind /run/etc /etc
# Numbers of their own: this machine sees the processes in here, and would take them for those of its accounts.
sed -i -E 's/^(UID|GID)_MIN.*/\1_MIN 40000/; s/^(UID|GID)_MAX.*/\1_MAX 60000/' /etc/login.defs
mount -t tmpfs -o mode=0755 tmpfs /var
mkdir -p /var/lib/sessionadmin /var/mail /var/log
mkdir -m 1777 /var/tmp
mount -t tmpfs -o mode=0755 tmpfs /home
mount -t tmpfs -o mode=0700 tmpfs /root
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
cd /
again=$4 port=$2 sshd=$3
set -- -D -e -f /dev/null -p "$port" -o ListenAddress=127.0.0.1 -o HostKey=/run/host/host_key -o PidFile=none \
  -o UsePAM=no -o StrictModes=no -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no \
  -o TrustedUserCAKeys=/run/host/authority.pub -o LogLevel=ERROR
[ -n "$again" ] || exec "$sshd" "$@"
while :; do
  [ -e /run/host/away ] || "$sshd" "$@" || :
  sleep 0.2
done
"""
# The first word lets everything end with the benchmark, even when that is killed.
NAMESPACES = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]


@dataclass(frozen=True, slots=True)
class Machine:
    """One host that runs."""

    port: int
    host_key: str
    process_id: int  # of its first process: sshd, or the shell that starts it again

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of its sshd and of every program that it started and that has ended."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(one) for one in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def path(self, name: str) -> Path:
        """Return where this machine finds the host's file `name`, such as /etc/passwd."""
        return Path(f"/proc/{self.process_id}/root{name}")

    def run(self, script: str) -> str:
        """Run a script of sh on the host as root, without SSH, and return what it prints. Raises CalledProcessError."""
        words = ["nsenter", "--target", str(self.process_id), "--mount", "--pid", "sh", "-c", script]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def machines(
    count: int, directory: Path, trusted_authority: str, *, starts_again: bool = False
) -> Iterator[list[Machine]]:
    """Run `count` hosts that trust the authority. With `starts_again` their sshd may be killed: it is started again.

    Raises SystemExit when this machine does not allow namespaces.
    """
    may = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if may.returncode != 0:
        raise SystemExit(f"Hosts of their own cannot be made here (root? container?): {may.stderr.strip()}")
    with contextlib.ExitStack() as stack:
        with alone():  # so that no account or half a sudo rule of a test that is running is copied
            names = [directory / f"host-{n}" for n in range(count)]
            found = [stack.enter_context(_machine(name, trusted_authority, starts_again)) for name in names]
        yield found


@contextlib.contextmanager
def _machine(directory: Path, trusted_authority: str, starts_again: bool) -> Iterator[Machine]:
    directory.mkdir()
    make_key(directory / "host_key")
    (directory / "authority.pub").write_text(f"{trusted_authority}\n")
    port = free_port()
    printed = directory / "log"
    command = [*NAMESPACES, "sh", "-c", PRIVATE, "sh", str(directory), str(port), sshd()]
    command.append("again" if starts_again else "")
    with printed.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, "sshd listens")
        if process.poll() is not None:
            raise SystemExit(f"A host did not start: {printed.read_text().strip()}")
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
        yield Machine(port, public_half(directory / "host_key"), int(child))
    finally:
        process.kill()  # its end takes along everything in there; it does not listen to SIGTERM
        process.wait(10)


def _listens(port: int) -> bool:
    """Return whether a process listens on the port, without connecting to it."""
    return any(
        words[1] == f"0100007F:{port:04X}" and words[3] == "0A"
        for words in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    )
