"""`sessionadmin ssh NAME` logs in to a host in a privileged session, from a person's own machine.

It makes a key pair for this one login, lets the console sign it, and runs the system's ssh with it. It talks to the
console by HTTP, as a browser does, so it knows no settings, no database and nothing of Django.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import ipaddress
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sessionadmin.console_client import Problem, is_setting_up, logged_in, plain, words

CERTIFICATE = "/sessions/ssh/"
# What the console says goes on ssh's command line, so it must not look like an option or a word for a shell.
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]+(%[A-Za-z0-9]+)?")
KEY_LINE = re.compile(r"(@cert-authority )?[a-z0-9@.-]+ [A-Za-z0-9+/]+=*")
CERTIFICATE_LINE = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?")


@dataclass(frozen=True, slots=True)
class ConnectionDetails:
    """How to connect to the host, as the console said and read_connection_details() checked."""

    session: int
    account: str
    address: str
    port: int
    host_keys: tuple[str, ...]
    certificate: str

    def known_hosts(self) -> str:
        """Return lines for ssh's known_hosts: the keys that the console trusts for this host, and no other."""
        name = self.address.lower() if self.port == 22 else f"[{self.address.lower()}]:{self.port}"
        marker = "@cert-authority "
        return "".join(
            f"{marker}{name} {key.removeprefix(marker)}\n" if key.startswith(marker) else f"{name} {key}\n"
            for key in self.host_keys
        )


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for. Return the exit code of ssh, or 1 with the problem on standard error."""
    options = _parser().parse_args(arguments)
    try:
        console = console_address(options.console or os.environ.get("SESSIONADMIN_URL", ""))
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        user = options.user or os.environ.get("SESSIONADMIN_USER", "") or input("User name: ")
        password = getpass.getpass(f"Password of {user} for {console}: ")
        with logged_in(console, user, password) as client:
            details = read_connection_details(client.post(CERTIFICATE, {"session": options.name, "key": public}))
        return run_ssh(details, key, options.ssh_arguments)
    except Problem as problem:
        sys.stderr.write(f"sessionadmin ssh: {problem}\n")
    except requests.RequestException as error:
        sys.stderr.write(f"sessionadmin ssh: {plain(error)} ssh was not started.\n")
    except (EOFError, KeyboardInterrupt):
        sys.stderr.write("\nsessionadmin ssh: Stopped; ssh was not started.\n")
    return 1


def console_address(text: str) -> str:
    """Return the console's address without a slash at its end.

    Raises Problem unless it is https, or on this machine.
    """
    if not text:
        raise Problem("Where is the console? Set SESSIONADMIN_URL=https://..., or use --console https://...")
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Problem(f"“{text}” is no address of a console. It looks like https://console.example.com")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise Problem(f"{text} is not encrypted, so your password would be readable on the way. Use https://")
    return text.rstrip("/")


def read_connection_details(answer: requests.Response) -> ConnectionDetails:
    """Return what the console said about the session.

    Raises Problem when the console refuses, or when its answer is not safe to run.
    """
    if is_setting_up(answer):
        raise Problem("The console asks you to set up a second factor first. Log in with a browser and do that.")
    if answer.status_code == 302:
        raise Problem("The console ended your login at once. Log in with a browser and see why.")
    try:
        answered: Any = answer.json()
    except requests.JSONDecodeError:
        answered = None
    if not isinstance(answered, dict):
        reason = words(answer) or f"It answered with status {answer.status_code}. Is it too old for this?"
        raise Problem(f"The console gave no certificate. {reason}")
    if answer.status_code != 200:
        problem = str(answered.get("problem", f"The console answered with status {answer.status_code}."))
        raise Problem(problem)
    try:
        keys = tuple(_without_comment(line) for line in answered["host_key"].splitlines() if line.strip())
        details = ConnectionDetails(
            answered["session"],
            answered["account"],
            answered["address"],
            int(answered["port"]),
            keys,
            answered["certificate"],
        )
        whole = [(ACCOUNT, details.account), (ADDRESS, details.address), (CERTIFICATE_LINE, details.certificate)]
        is_fit = all(pattern.fullmatch(text) for pattern, text in [*whole, *((KEY_LINE, key) for key in keys)])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Problem("The console's answer cannot be read. ssh was not started.") from error
    if not is_fit:
        raise Problem("The console's answer holds what must not go to ssh. ssh was not started.")
    if not keys:
        raise Problem(
            f"The host key of {details.address} is not confirmed. An administrator has to test the connection."
        )
    return details


def run_ssh(details: ConnectionDetails, key: Ed25519PrivateKey, arguments: Sequence[str]) -> int:
    """Run the system's ssh to its end and return its exit code. The key and certificate are then removed.

    This process waits for ssh, because nobody else would remove the key. Raises Problem when there is no ssh.
    """
    with tempfile.TemporaryDirectory(prefix="sessionadmin-ssh-") as name:  # mode 0700
        directory = Path(name)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        for file, content in (
            ("key", private),
            ("key-cert.pub", f"{details.certificate}\n".encode()),
            ("known_hosts", details.known_hosts().encode()),
        ):
            (directory / file).touch(mode=0o600)
            (directory / file).write_bytes(content)
        with _interrupts_are_for_ssh():
            try:
                code = subprocess.run(ssh_command(details, directory, arguments), check=False).returncode  # noqa: S603 - no shell
            except FileNotFoundError:
                raise Problem("There is no ssh on this machine. Install OpenSSH's client.") from None
    return code if code >= 0 else 128 - code  # as shells report a signal


def ssh_command(details: ConnectionDetails, directory: Path, arguments: Sequence[str]) -> list[str]:
    """Return the command line.

    ssh takes the first value of an option, so nothing in the person's own arguments or configuration can weaken these
    options.
    """
    known = directory / "known_hosts"
    options = [
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={known}",
        f"GlobalKnownHostsFile={known}",
        "UpdateHostKeys=no",
        f"CertificateFile={directory / 'key-cert.pub'}",
        "IdentitiesOnly=yes",
        "ControlMaster=no",
        "ControlPath=none",
    ]
    words = ["ssh", "-i", str(directory / "key"), *(f"-o{option}" for option in options), "-p", str(details.port)]
    return [*words, f"{details.account}@{details.address}", *arguments]


@contextlib.contextmanager
def _interrupts_are_for_ssh() -> Iterator[None]:
    """Let ssh alone react to Ctrl+C and to a closed terminal, so that this process can still remove the key.

    A handler is set because ssh would inherit an ignored signal, but inherits no handler.
    """
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = {each: signal.signal(each, lambda *_: None) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sessionadmin ssh", description="Log in to a host in a privileged session.")
    parser.add_argument("--console", metavar="URL", help="the console (default: SESSIONADMIN_URL)")
    parser.add_argument("--user", metavar="NAME", help="your user name (default: SESSIONADMIN_USER)")
    parser.add_argument("name", metavar="NAME", help="name of the host, or number of the session")
    parser.add_argument(
        "ssh_arguments", nargs=argparse.REMAINDER, metavar="...", help="given to ssh: a command, -v, -t"
    )
    return parser


def _without_comment(key: str) -> str:
    """Return a line of known_hosts without its comment."""
    words = key.split()
    return " ".join(words[: 3 if words[0] == "@cert-authority" else 2])


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
