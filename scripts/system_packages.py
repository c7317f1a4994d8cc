"""Find the programs that tests and benchmarks start and that pip cannot install; as root on Debian, install them.

This module knows the names of programs and packages, not what is done with them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

Programs = dict[str, list[str]]

# Debian package -> where its program may be found, by name on PATH or by pattern from the root directory.
PROGRAMS: Programs = {
    "chromium": ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    "postgresql": ["initdb", "usr/lib/postgresql/*/bin/initdb", "usr/pgsql-*/bin/initdb"],
    "openssh-server": ["sshd", "usr/sbin/sshd"],
    "sudo": ["visudo", "usr/sbin/visudo"],
    "libfaketime": ["usr/lib/*/faketime/libfaketime.so.1", "usr/lib*/faketime/libfaketime.so.1"],
    "at": ["atd", "usr/sbin/atd"],
    "cron": ["cron", "usr/sbin/cron"],
    "keyutils": ["keyctl"],
    "tmux": ["tmux"],
    "screen": ["screen"],
    "curl": ["curl"],
    "dropbear-bin": ["dbclient"],
    "systemd": ["usr/lib/systemd/systemd", "lib/systemd/systemd"],
}
FOR_BENCHMARKS: Programs = {
    "postgresql": PROGRAMS["postgresql"],
    "postgresql-client": ["psql"],
    "sqlite3": ["sqlite3"],
    "wrk": ["wrk"],
}


def find(package: str) -> Path | None:
    """Return the program of `package` on this machine, the newest of several; None when there is none."""
    for candidate in (PROGRAMS | FOR_BENCHMARKS)[package]:
        if "/" not in candidate:
            if path := shutil.which(candidate):
                return Path(path)
        elif paths := sorted(Path("/").glob(candidate), key=version_in):
            return paths[-1]
    return None


def version_in(path: Path) -> int:
    """Return the number of the directory that carries the version, or 0: postgresql/15/bin/initdb is 15."""
    return max((int("0" + "".join(filter(str.isdigit, part))) for part in path.parts), default=0)


def missing(programs: Programs) -> list[str]:
    """Return the packages whose program is not on this machine."""
    return [package for package in programs if find(package) is None]


def install_missing(programs: Programs = PROGRAMS) -> list[str]:
    """Install what is missing, on Debian as root, and return what is still missing after that."""
    packages = missing(programs)
    if not packages or os.geteuid() != 0 or not shutil.which("apt-get"):
        return packages
    print(f"Installing system packages: {' '.join(packages)} ...", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            print(f"`{' '.join(command)}` failed; the lines above say why.", file=sys.stderr)
            break
    return missing(programs)
