"""Prepares a host, a jump host, a gateway, and a person who may reach the host directly, by the jump or by the gateway.

Hosts are OpenSSH servers in namespaces of their own (hosts.py), and the gateway is a real `run_gateway` process. This
module does not know what is measured.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import User
from django.db import connection

from benchmarks.hosts import Machine, machines
from sessions_app.catalogue.models import AccountKind, Resource
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, gateway
from tests.support.gateway import Gateway
from tests.support.ssh_scene import RULE, forget, register_key, worked
from tests.support.sshd import make_key

# The same for all three ways. OpenSSH's own choice of key exchange is slower, and no gain in speed of ours.
CIPHER = "aes128-gcm@openssh.com"
EXCHANGE = "curve25519-sha256"
WAYS = ("direct", "jump", "gateway")
CROWD = "satest-crowd"


@dataclass(frozen=True, slots=True)
class Scene:
    """The processes and the objects of the database that belong together."""

    directory: Path
    host: Machine
    through: Machine  # the host to jump through
    gateway: Gateway
    session: PrivilegedSession
    key: Path  # registered for the person
    own_key: Path  # with a certificate that the hosts take: for the ways without us

    def command(self, way: str, *command: str, tty: bool = False) -> list[str]:
        """Return the command line of the system's ssh for one of WAYS."""
        # Without ssh's own escape character: a ~ after the end of a line would be for ssh, and have no echo.
        more = ["-enone", f"-c{CIPHER}", f"-oKexAlgorithms={EXCHANGE}", *(["-tt"] if tty else [])]
        if way == "gateway":
            return self.gateway.client(f"bench={self.session.pk}", self.key, *command, more=more)
        account = self.session.login_account
        hop = [
            *self._ssh(self.through),
            "-c",
            CIPHER,
            f"-oKexAlgorithms={EXCHANGE}",
            "-W",
            f"127.0.0.1:{self.host.port}",
            "root@127.0.0.1",
        ]
        jump = ["-o", f"ProxyCommand={' '.join(hop)}"]
        return [*self._ssh(self.host), *(jump if way == "jump" else []), *more, f"{account}@127.0.0.1", *command]

    def as_root(self, script: str) -> None:
        """Run a script on the host. Raises CalledProcessError."""
        subprocess.run([*self._ssh(self.host), "root@127.0.0.1", script], check=True, capture_output=True)

    def _ssh(self, machine: Machine) -> list[str]:
        known = self.directory / "known_hosts"
        options = ["BatchMode=yes", f"UserKnownHostsFile={known}", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"]
        words = ["ssh", "-F", "none", "-p", str(machine.port), "-i", str(self.own_key)]
        return [*words, *(f"-o{one}" for one in options)]


def make_host(name: str, machine: Machine) -> Resource:
    """Create the resource for this machine."""
    values = {"port": machine.port, "service_account": "root", "host_key": machine.host_key}
    return builders.make_resource(name, address="127.0.0.1", connector="ssh", **values)


@contextlib.contextmanager
def scene(directory: Path, *, recorded: bool) -> Iterator[Scene]:
    """Run everything until the block ends. `recorded` says whether the person's session is recorded."""
    forget()
    key = register_key(builders.make_user("bench"), directory / "id_bench")
    authority = ca.create().public_key
    with machines(2, directory, authority) as (host, through):
        known = "".join(f"[127.0.0.1]:{one.port} {one.host_key}\n" for one in (host, through))
        (directory / "known_hosts").write_text(known)
        session = make_session(make_host("host", host), recorded=recorded)
        own = directory / "id_own"
        line = ca.sign(
            make_key(own),
            principals=[session.login_account, "root", CROWD],
            key_id="benchmark",
            seconds=7200,
            may_forward=True,
        ).line
        own.with_name("id_own-cert.pub").write_text(line + "\n")
        with gateway.serving(directory / "gateway", GATEWAY_CONNECTIONS_PER_USER="2000") as running:
            yield Scene(directory, host, through, running, session, key, own)


def make_session(host: Resource, *, recorded: bool) -> PrivilegedSession:
    """Create a session and let the worker's own code give its rights."""
    activity = builders.make_activity("Benchmark", kind=AccountKind.EPHEMERAL, sudo_rule=RULE)
    profile = builders.make_profile("Benchmark", record=recorded)
    person = builders.make_user("bench")
    builders.make_policy("Benchmark", users=[person], activities=[activity], resources=[host], profile=profile)
    session = builders.make_session(person, Status.PROVISIONING, resource=host, activity=activity, profile=profile)
    session.login_account = f"satest-{session.pk}"
    session.save(update_fields=["login_account"])
    for _ in range(3):  # on a busy machine the first try may find no number for the account
        session = worked(session)
        if session.status == Status.AVAILABLE:
            break
    if session.status != Status.AVAILABLE:
        raise SystemExit(f"The session is {session.status}: {session.last_error or session.end_reason}")
    return session


def crowd_sessions(scene: Scene, count: int) -> tuple[User, list[PrivilegedSession]]:
    """Create Available sessions of one person, which share an account on the host. No worker gives them rights."""
    person = builders.make_user("crowd")
    if not (scene.directory / "id_crowd").exists():
        register_key(person, scene.directory / "id_crowd")
    profile = builders.make_profile(f"Crowd {PrivilegedSession.objects.count()}", record=True)
    values = {"resource": scene.session.resource, "activity": scene.session.activity, "profile": profile}
    made = [builders.make_session(person, Status.AVAILABLE, login_account=CROWD, **values) for _ in range(count)]
    lines = []
    for start in range(0, count, 50):
        names = ",".join(ca.session_principal(one.pk) for one in made[start : start + 50])
        lines += [f'cert-authority,principals="{names}" {each.public_key}' for each in ca.trusted()]
    home = f"/home/{CROWD}"
    scene.as_root(
        f"id {CROWD} >/dev/null 2>&1 || useradd -m -p '*' -s /bin/sh {CROWD}; mkdir -p {home}/.ssh; "
        f"cat > {home}/.ssh/authorized_keys <<'EOF'\n" + "\n".join(lines) + f"\nEOF\nchown -R {CROWD} {home}/.ssh"
    )
    return person, made


@dataclass(frozen=True, slots=True)
class Used:
    """The memory that a process holds, and the CPU time that it has used so far."""

    kib: int  # memory that is its own
    cpu: float  # seconds


def used(process_id: int) -> Used:
    """Return what one process used, from /proc."""
    rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    kib = sum(int(line.split()[1]) for line in rollup if line.startswith("Private"))
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return Used(kib, sum(int(one) for one in fields[11:13]) / os.sysconf("SC_CLK_TCK"))


def vendor() -> str:
    """Return the name of the database."""
    return "PostgreSQL" if connection.vendor == "postgresql" else "SQLite"
