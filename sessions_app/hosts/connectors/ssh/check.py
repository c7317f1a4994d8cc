"""Tests a host, and reports each result: connection, host key, login, root and programs.

It makes /var/lib/sessionadmin on the host, for root only, and changes nothing else there.
"""

from __future__ import annotations

import asyncio
import dataclasses

import asyncssh

from sessions_app.catalogue.connectors import ConnectorError
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.connectors.ssh.credentials import credentials_for, host_of
from sessions_app.hosts.connectors.ssh.transport import (
    CONNECT_SECONDS,
    NO_FILES,
    Host,
    HostKeyChanged,
    Remote,
    connected,
    local_trouble,
)

# Programs that a host must have and that a small system may lack. Others, such as keyctl, are used where they exist.
TOOLS = (
    "useradd usermod userdel groupadd groupdel gpasswd getent chage flock setpriv setsid ps grep sed awk find stat "
    "sha256sum timeout"
)
TOOLS_SCRIPT = r"""
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
echo "root=$(id -u)"
for tool in "$@"; do command -v "$tool" > /dev/null || echo "missing=$tool"; done
find / -maxdepth 0 -uid 0 -execdir true {} \; > /dev/null 2>&1 || echo "missing=findutils (busybox's find is too small)"
if command -v visudo > /dev/null; then
  if visudo -c -q > /dev/null 2>&1; then echo sudo=good; else echo sudo=broken; fi
  grep -qsE '^[#@]includedir[[:space:]]+/etc/sudoers.d' /etc/sudoers || echo sudo=apart
else
  echo sudo=missing
fi
if mkdir -p /var/lib/sessionadmin && chmod 0700 /var/lib/sessionadmin; then echo state=good; fi
echo "clock=$(date +%s)"
"""


@dataclasses.dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one test."""

    what: str
    is_good: bool
    text: str


@dataclasses.dataclass
class Report:
    """All results, and the key that the host shows if it is not the pinned one."""

    lines: list[CheckResult] = dataclasses.field(default_factory=list)
    shown_key: str = ""
    fingerprint: str = ""
    pinned_fingerprint: str = ""

    @property
    def is_good(self) -> bool:
        """Return whether sessions can be given on the host."""
        return all(line.is_good for line in self.lines)

    def add(self, what: str, is_good: bool, text: str) -> None:
        """Add what was found about `what`, with a text for the person who reads the report."""
        self.lines.append(CheckResult(what, is_good, text))


def check_host(resource: Resource, now: float) -> Report:
    """Test the host. A failure is a result and not an exception. `now` is our clock in seconds since 1970."""
    report = Report()
    try:
        host = host_of(resource)
    except ConnectorError as error:
        report.add("Address", False, str(error))
        return report
    if not _read_host_key(host, report):
        return report
    try:
        with connected(host, credentials_for(resource), anew=True) as remote:
            report.add("Host key", True, f"It is the one that was confirmed: {fingerprint_of(host.host_key)}")
            report.add("Login", True, f"{host.account} is let in")
            _look_around(remote, report, now)
    except HostKeyChanged as error:
        _note_stranger(host, report, str(error))
    except ConnectorError as error:
        report.add("Login", False, str(error))
    return report


def fingerprint_of(key: str) -> str:
    """Return the fingerprint (SHA256:...) of a pinned line; an empty string if it cannot be read."""
    words = [word for word in key.split() if word != "@cert-authority"]
    try:
        return asyncssh.import_public_key(" ".join(words[:2])).get_fingerprint("sha256")
    except asyncssh.KeyImportError:
        return ""


def _read_host_key(host: Host, report: Report) -> bool:
    """Connect to the host and read its key. Return False if nothing more can be tested."""
    try:
        shown = asyncio.run(_server_key(host))
    except (OSError, TimeoutError, asyncssh.Error) as error:
        if local := local_trouble(error):
            report.add("Reach", False, f"{host.name} was not asked: {local}")
            return False
        reason = str(error)[:160] or "no answer in time"
        report.add("Reach", False, f"No SSH server answers at {host.address}, port {host.port}: {reason}")
        return False
    report.add("Reach", True, f"An SSH server answers at {host.address}, port {host.port}")
    if shown is None:
        report.add("Host key", False, "The host shows no host key.")
        return False
    report.shown_key = " ".join(shown.export_public_key().decode().split()[:2])
    report.fingerprint = shown.get_fingerprint("sha256")
    if not host.host_key.strip():
        report.add("Host key", False, f"Not confirmed yet. The host shows {report.fingerprint}")
        return False
    return True


async def _server_key(host: Host) -> asyncssh.SSHKey | None:
    async with asyncio.timeout(CONNECT_SECONDS):
        pinned = [word for word in host.host_key.split() if word != "@cert-authority"][:1]
        offered = pinned if "@cert-authority" not in host.host_key and pinned and pinned[0] != "ssh-rsa" else ()
        options = asyncssh.SSHClientConnectionOptions(client_keys=None, **NO_FILES)
        try:
            return await asyncssh.get_server_host_key(
                host.address, host.port, server_host_key_algs=offered, config=None, options=options
            )
        except asyncssh.KeyExchangeFailed:
            return await asyncssh.get_server_host_key(host.address, host.port, config=None, options=options)


def _note_stranger(host: Host, report: Report, text: str) -> None:
    report.pinned_fingerprint = fingerprint_of(host.host_key)
    report.add("Host key", False, f"{text} It shows {report.fingerprint}, confirmed was {report.pinned_fingerprint}.")


def _look_around(remote: Remote, report: Report, now: float) -> None:
    result = remote.script(TOOLS_SCRIPT, *TOOLS.split())
    found = [line.split("=", 1) for line in result.output.splitlines() if "=" in line]
    if result.exit_code != 0 or ["root", "0"] not in found:
        said = result.last_error_line or "it said nothing"
        report.add("Root", False, f"{remote.host.account} cannot become root (sudo -n): {said}")
        return
    report.add("Root", True, "Steps run as root")
    missing = [value for name, value in found if name == "missing"]
    report.add("Tools", not missing, f"Missing: {', '.join(missing)}" if missing else "Everything needed is there")
    sudo = [value for name, value in found if name == "sudo"]
    words = {
        "missing": "visudo is missing: activities with a sudo rule will fail",
        "broken": "The sudo rules of the host are broken (visudo -c)",
        "apart": "/etc/sudoers does not read /etc/sudoers.d, so sudo rules will have no effect",
    }
    wrong = [words[value] for value in sudo if value in words]
    report.add("Sudo rules", not wrong, "; ".join(wrong) or "They can be checked and added")
    report.add("Notes", ["state", "good"] in found, "/var/lib/sessionadmin can be written")
    clocks = [int(value) for name, value in found if name == "clock" and value.isdecimal()]
    off = abs(clocks[0] - now) if clocks else 0
    # Spans are counted on the host's own clock; only certificates need the two clocks to agree.
    report.add("Clock", off < 60, f"{off:.0f} seconds from ours")
