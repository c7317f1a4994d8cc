"""Find the programs that tests and benchmarks start and that pip cannot install; as root on Debian, install them.

This module knows the names of programs and packages, not what is done with them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

Programs = dict[str, list[str]]

BESIDE = "usr/local/lib/sessionadmin-tests"  # below the root directory: where packages are unpacked

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
    "rsyslog": [f"{BESIDE}/rsyslog/usr/sbin/rsyslogd"],
    "syslog-ng-core": [f"{BESIDE}/syslog-ng-core/usr/sbin/syslog-ng"],
}
# Only unpacked, each with what it needs in a directory of its own: Debian refuses two system loggers on one machine,
# and installing one would start it. The tests start these as ordinary programs (tests/support/syslog_receivers.py).
UNPACKED = {"rsyslog": ["rsyslog", "rsyslog-gnutls"], "syslog-ng-core": ["syslog-ng-core"]}
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
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    ordinary = [package for package in packages if package not in UNPACKED]
    if _worked(["apt-get", "update", "-qq"]) and (not ordinary or _worked([*install, *ordinary])):
        for package in packages:
            if package in UNPACKED:
                _unpack(install, package)
    return missing(programs)


def _unpack(install: list[str], package: str) -> None:
    """Download a package with everything it needs and that is not installed, and unpack all of it beside the system."""
    target = Path("/", BESIDE, package)
    with tempfile.TemporaryDirectory() as scratch:
        if _worked(
            [
                *install,
                "--download-only",
                "-o",
                f"Dir::Cache::archives={scratch}",
                "-o",
                "APT::Sandbox::User=root",
                *UNPACKED[package],
            ]
        ):
            target.mkdir(parents=True, exist_ok=True)
            for file in Path(scratch).glob("*.deb"):
                _worked(["dpkg-deb", "--extract", str(file), str(target)])


def _worked(command: list[str]) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        return True
    print(f"`{' '.join(command)}` failed; the lines above say why.", file=sys.stderr)
    return False
