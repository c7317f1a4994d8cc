"""Runs the console as it is installed: `serve` with its worker and its gateway, on a small disk of its own.

The disk is an ext4 image, so that it can be filled and its files can be made immutable without harm to this machine.
This module knows processes and files, but neither sessions nor people.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import MANAGE, descendants
from tests.support.waiting import wait_until

DISK_MEGABYTES = 600
PARTS = {"worker": "run_worker", "gateway": "run_gateway"}


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """Mount a file system of DISK_MEGABYTES below `directory` and unmount it at the end. Raises SystemExit."""
    image, mounted = directory / "disk.img", directory / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_MEGABYTES * 1024 * 1024)
    for command in (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(mounted)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"No disk for the trial can be made here: {done.stderr.strip()}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


@dataclass
class Installation:
    """A running `serve --with-worker --with-gateway`."""

    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes]

    def processes(self, part: str) -> list[int]:
        """Return the process numbers of `part`: worker, gateway or web."""
        below = descendants(self.process.pid)
        if part in PARTS:
            return [pid for pid, command in below.items() if PARTS[part] in command]
        others = (*PARTS.values(), "resource_tracker")
        return [pid for pid, command in below.items() if not any(other in command for other in others)]

    def kill(self, part: str) -> None:
        """Kill every process of `part` outright."""
        for pid in self.processes(part):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


@contextlib.contextmanager
def installed(port: int, environment: Mapping[str, str], log: Path) -> Iterator[Installation]:
    """Serve until the block ends. `environment` says ports, database and folder."""
    command = [*MANAGE, "serve", "--port", str(port), "--with-worker", "--with-gateway"]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, env=dict(environment), stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        wait_until(lambda: b"Gateway on port" in log.read_bytes() or process.poll() is not None, "the gateway listens")
        if process.poll() is not None:
            raise SystemExit(f"The installation did not start: {log.read_text()[-2000:]}")
        yield Installation(environment, log, process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
