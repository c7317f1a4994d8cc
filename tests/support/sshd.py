"""Runs a real OpenSSH server on loopback, and offers what tests of hosts need: accounts, keys, a client.

Accounts have the prefix `satest`; whatever a test leaves of them is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.machine import sshd, wrong_clock
from tests.support.own_accounts import IS_OWN, end_processes
from tests.support.programs import free_port
from tests.support.waiting import seconds, wait_until

PREFIX = "satest"
ALONE = Path("/tmp/sessionadmin-tests-of-accounts.lock")
STATE = Path("/var/lib/sessionadmin")


@dataclass
class Server:
    """A running sshd that takes keys and certificates only."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes]

    @property
    def host_key(self) -> str:
        return public_half(self.directory / "host_key")

    def printed(self) -> str:
        return (self.directory / "log").read_text()

    def client(self, account: str, key: Path, *command: str, tty: bool = False) -> list[str]:
        """Return the command line of the system's ssh."""
        known = self.directory / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {self.host_key}\n")
        options = ["BatchMode=yes", f"UserKnownHostsFile={known}", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"]
        words = ["ssh", "-F", "none", "-p", str(self.port), "-i", str(key), *[f"-o{one}" for one in options]]
        return [*words, *(["-tt"] if tty else []), f"{account}@127.0.0.1", *command]

    def ssh(self, account: str, key: Path, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one command with the system's ssh."""
        line = self.client(account, key, *command)
        return subprocess.run(
            line, capture_output=True, text=True, timeout=seconds(30), check=False, stdin=subprocess.DEVNULL
        )


@contextlib.contextmanager
def client_running(server: Server, account: str, key: Path, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the system's ssh, logged in and with a command running, until the block ends."""
    line = server.client(account, key, f"echo here; {command}")
    client = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert client.stdout is not None
        said = client.stdout.readline()
        assert said == b"here\n", said
        yield client
    finally:
        client.kill()
        client.wait(10)


def make_key(path: Path) -> str:
    """Create an Ed25519 key pair in a file. Return the public key as one line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return public_half(path)


def public_half(path: Path) -> str:
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


@contextlib.contextmanager
def serving(
    directory: Path,
    *,
    trusted_authority: str = "",
    authorized: str = "",
    port: int = 0,
    by_name: bool = False,
    clock: str = "",
    pam: bool = False,
) -> Iterator[Server]:
    """Run an sshd until the block ends.

    Certificates of `trusted_authority` open any account that they name, and the key `authorized` opens root. With
    `by_name` it opens its log itself; otherwise it writes to standard error. `clock` sets its clock and that of its
    logins wrong, such as +1h or -1h (tests marked `clock`). With `pam`, logins use PAM, as on most hosts.
    """
    directory.mkdir(exist_ok=True)
    if not (directory / "host_key").exists():
        make_key(directory / "host_key")
    (directory / "authority.pub").write_text(f"{trusted_authority}\n")
    (directory / "root_keys").write_text(f"{authorized}\n")
    port = port or free_port()
    wrong = wrong_clock(clock) if clock else {}
    (directory / "config").write_text(
        f"""ListenAddress 127.0.0.1:{port}
HostKey {directory}/host_key
PidFile none
UsePAM {"yes" if pam else "no"}
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 20
LogLevel VERBOSE
TrustedUserCAKeys {directory}/authority.pub
Subsystem sftp internal-sftp
{f"SetEnv {' '.join(f'{name}={value}' for name, value in wrong.items())}" if wrong else ""}
Match User root
    AuthorizedKeysFile {directory}/root_keys
"""
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (directory / "log").open("ab") as log:
        to = ["-E", str(directory / "log")] if by_name else ["-e"]
        process = subprocess.Popen(
            [sshd(), "-D", *to, "-f", str(directory / "config")], stderr=log, stdout=log, env=os.environ | wrong
        )
    server = Server(port, directory, process)
    try:
        wait_until(lambda: "Server listening" in server.printed() or process.poll() is not None, "sshd listens")
        assert process.poll() is None, server.printed()
        yield server
    finally:
        process.terminate()
        process.wait(10)


def accounts() -> list[str]:
    """Return the accounts of the tests that exist on this machine."""
    return [one.pw_name for one in pwd.getpwall() if one.pw_name.startswith(PREFIX)]


def processes_of(account: str) -> list[str]:
    """Return state and command line of the account's processes, without zombies."""
    lines = subprocess.run(
        ["ps", "-ww", "-U", account, "-o", "state=,args="], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return [line for line in lines if not line.startswith("Z")]


def leftovers() -> list[str]:
    """Return everything on this machine that a session of a test could have left."""
    found = [f"account {one}" for one in accounts()]
    for pattern in ("/etc/sudoers.d/*sessionadmin-*", f"/home/{PREFIX}*", f"{STATE}/session-*"):
        base, _, name = pattern.rpartition("/")
        found += [str(one) for one in Path(base).glob(name)]
    groups = Path("/etc/group").read_text().splitlines()
    found += [f"group {line}" for line in groups if line.startswith(PREFIX)]
    for pause in (0.05, 0.2, 0.5, 1, 2, 0):  # what was told to end needs a moment, on a busy machine
        if not watchdogs():
            break
        time.sleep(pause)
    return found + [f"watchdog {pid} of {directory}" for pid, directory in watchdogs()]


def watchdogs() -> list[tuple[int, str]]:
    """Return the process number and the notes of each session whose watchdog runs on this machine.

    Short-lived subshells are not counted, nor watchdogs with a root directory of their own (benchmarks).
    """
    lines = subprocess.run(["ps", "-ww", "-eo", "pid=,sid=,args="], capture_output=True, text=True, check=True).stdout
    found = []
    for pid, sid, *words in (line.split() for line in lines.splitlines()):
        if pid == sid and len(words) == 3 and words[0] == "sh" and words[1].startswith(f"{STATE}/session-"):
            with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                if Path(f"/proc/{pid}/root{STATE}").samefile(STATE):
                    found.append((int(pid), words[1].removesuffix("/watchdog")))
    return found


def clean() -> None:
    """Remove all that; processes first."""
    for pid, _ in watchdogs():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    if IS_OWN:
        end_processes()
    for account in accounts():
        if pwd.getpwnam(account).pw_uid >= 1000:  # a second name of root has all processes of the machine
            subprocess.run(["pkill", "-KILL", "-U", account], check=False)
            for _ in range(50):
                if not processes_of(account):
                    break
                time.sleep(0.1)
        subprocess.run(["userdel", "-f", "-r", account], check=False, capture_output=True)
    for line in Path("/etc/group").read_text().splitlines():
        if line.startswith(PREFIX):
            subprocess.run(["groupdel", line.split(":")[0]], check=False)
    for found in leftovers():
        if found.startswith("/"):
            path = Path(found)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if IS_OWN:
        (STATE / "uids").unlink(missing_ok=True)  # else the numbers of this process would run out


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other test processes from creating accounts, which belong to the whole machine, until the block ends.

    If this process has accounts of its own, no other process has to wait. The machine is cleaned before and after.
    """
    with ALONE.open("a") as handle:
        if not IS_OWN:
            fcntl.flock(handle, fcntl.LOCK_EX)
        clean()
        try:
            yield
        finally:
            clean()


def fingerprint(public_key: Path) -> str:
    """Return the fingerprint of the key as OpenSSH prints it."""
    line = subprocess.run(["ssh-keygen", "-lf", str(public_key)], capture_output=True, text=True, check=True).stdout
    return line.split()[1]
