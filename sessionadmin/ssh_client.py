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
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ANSWER_SECONDS = 20  # for each answer of the console
LOGIN, LOGOUT, CERTIFICATE = "/accounts/login/", "/accounts/logout/", "/sessions/ssh/"
# What the console says goes on ssh's command line, so it must not look like an option or a word for a shell.
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]+(%[A-Za-z0-9]+)?")
KEY_LINE = re.compile(r"(@cert-authority )?[a-z0-9@.-]+ [A-Za-z0-9+/]+=*")
CERTIFICATE_LINE = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?")


class Problem(Exception):
    """Says why ssh was not started. The text is for the person."""


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
        sys.stderr.write(f"sessionadmin ssh: {_plain(error)} ssh was not started.\n")
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


class Client:
    """The console as a browser with cookies sees it. Redirects are not followed."""

    def __init__(self, console: str) -> None:
        self._console = console
        self._http = requests.Session()
        self._http.headers["User-Agent"] = "sessionadmin-ssh"

    def get(self, path: str) -> requests.Response:
        return self._http.get(self._console + path, timeout=ANSWER_SECONDS, allow_redirects=False)

    def post(self, path: str, fields: dict[str, str]) -> requests.Response:
        """Send a form, with the CSRF token that the console gave as a cookie."""
        tokens = [cookie.value for cookie in self._http.cookies if cookie.name.endswith("csrftoken")]
        headers = {"X-CSRFToken": tokens[0] or "" if tokens else "", "Referer": self._console + path}
        return self._http.post(
            self._console + path, data=fields, headers=headers, timeout=ANSWER_SECONDS, allow_redirects=False
        )


@contextlib.contextmanager
def logged_in(console: str, user: str, password: str) -> Iterator[Client]:
    """Return a client that is logged in until the block ends. Raises Problem with what the console said instead."""
    client = Client(console)
    page = client.get(LOGIN)
    if page.status_code != 200:
        reason = _words(page) or f"It answered with status {page.status_code}. Is it the console's address?"
        raise Problem(f"{console} shows no login page. {reason}")
    answer = client.post(LOGIN, {"username": user, "password": password})
    if answer.status_code != 302:
        reason = _words(answer) or f"It answered with status {answer.status_code}."
        raise Problem(f"{console} did not let you in. {reason}")
    try:
        yield client
    finally:
        if doubt := _log_out(client):
            sys.stderr.write(f"sessionadmin ssh: You may still be logged in at {console}: {doubt}\n")


def _log_out(client: Client) -> str:
    """Log out. Return why that may have failed; empty when it succeeded."""
    try:
        answer = client.post(LOGOUT, {})
    except requests.RequestException as error:
        return _plain(error)
    return "" if answer.status_code < 400 else _words(answer) or f"It answered with status {answer.status_code}."


def read_connection_details(answer: requests.Response) -> ConnectionDetails:
    """Return what the console said about the session.

    Raises Problem when the console refuses, or when its answer is not safe to run.
    """
    if answer.status_code == 302:
        raise Problem("The console ended your login at once. Log in with a browser and see why.")
    try:
        answered: Any = answer.json()
    except requests.JSONDecodeError:
        answered = None
    if not isinstance(answered, dict):
        reason = _words(answer) or f"It answered with status {answer.status_code}. Is it too old for this?"
        raise Problem(f"The console gave no certificate. {reason}")
    if answer.status_code != 200:
        raise Problem(str(answered.get("problem", f"The console answered with status {answer.status_code}.")))
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


def _words(answer: requests.Response) -> str:
    """Return what a page says about a problem; empty when it says nothing."""
    return " ".join(_Problems.of(answer.text))


class _Problems(HTMLParser):
    """The problems that a page shows: beside a form, or heading and text of an error page without its link."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_inside = False
        self._is_error_page = False

    @classmethod
    def of(cls, page: str) -> list[str]:
        parser = cls()
        parser.feed(page)
        return [text for text in (" ".join(part.split()) for part in parser.found) if text]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_problem = "problem" in (dict(attrs).get("class") or "").split()
        self._is_error_page = self._is_error_page or (is_problem and tag == "div")
        if (is_problem and tag == "p") or (self._is_error_page and tag in ("h1", "p")):
            self._is_inside = True
            self.found.append("")
        elif tag == "a" and self._is_error_page:
            self._is_inside = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "h1" and self._is_inside:
            self.found[-1] = f"{self.found[-1].strip()}."
        self._is_inside = self._is_inside and tag not in ("p", "h1")
        self._is_error_page = self._is_error_page and tag != "div"

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.found[-1] += data


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


def _plain(error: requests.RequestException) -> str:
    """Return the reason of a failed request in a few words."""
    if isinstance(error, requests.exceptions.SSLError):
        return "The console's certificate is not trusted (REQUESTS_CA_BUNDLE names an authority of your own)."
    if isinstance(error, requests.Timeout):
        return f"The console did not answer within {ANSWER_SECONDS} seconds."
    if isinstance(error, requests.ConnectionError):
        return "The console cannot be reached. Check its address."
    return f"The console cannot be asked: {type(error).__name__}."
