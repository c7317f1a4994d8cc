"""Runs a real `run_gateway` process, and OpenSSH's clients through it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from sessions_app.gateway.models import GatewayHostKey
from tests.support.programs import MANAGE
from tests.support.ssh_scene import database_url
from tests.support.waiting import seconds, wait_until


@dataclass
class Gateway:
    """A gateway that listens."""

    port: int
    terminal_port: int
    directory: Path
    process: subprocess.Popen[bytes]

    def printed(self) -> str:
        return (self.directory / "log").read_text()

    def options(self, key: Path | None) -> list[str]:
        """Return the options that ssh, scp and sftp need."""
        known = f"UserKnownHostsFile={self.directory / 'known_hosts'}"
        words = [known, "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", f"Port={self.port}"]
        words += [f"IdentityFile={key}", "BatchMode=yes"] if key else ["PubkeyAuthentication=no"]
        return ["-F", "none", *[f"-o{one}" for one in words]]

    def client(self, who: str, key: Path | None, *command: str, more: Sequence[str] = ()) -> list[str]:
        """Return the command line of the system's ssh. `who` is a user name, or with a resource alice=web-1."""
        return ["ssh", *self.options(key), *more, f"{who}@127.0.0.1", *command]

    def ssh(self, who: str, key: Path | None, *command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run one command through it."""
        return subprocess.run(
            self.client(who, key, *command), input=given, capture_output=True, timeout=seconds(60), check=False
        )


@contextlib.contextmanager
def serving(directory: Path, *arguments: str, **environment: str) -> Iterator[Gateway]:
    """Run a gateway on free ports with the test database, and stop it at the end.

    It stops at once unless `arguments` hold --drain-seconds.
    """
    directory.mkdir(exist_ok=True)
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
        "TEST_VAR_DIR": str(directory / "var"),
        **environment,
    }
    command = [*MANAGE, "run_gateway", "--port", "0", "--terminal-port", "0", "--drain-seconds", "0"]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log, env=env)
    running = Gateway(0, 0, directory, process)
    try:
        wait_until(lambda: "Gateway on port" in running.printed() or process.poll() is not None, "the gateway listens")
        found = re.search(r"Gateway on port (\d+) for SSH and (\d+)", running.printed())
        assert found, running.printed()
        running.port, running.terminal_port = int(found[1]), int(found[2])
        line = f"[127.0.0.1]:{running.port} {GatewayHostKey.objects.get().public_key}\n"
        (directory / "known_hosts").write_text(line)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)
