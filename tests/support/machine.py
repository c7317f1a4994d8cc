"""Finds the programs of this machine that tests start. A test whose program is missing is skipped, and says so.

`make test` installs what it may and counts the skipped tests; with CI=true a skip is a failure (scripts/test.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings

from scripts.system_packages import find

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
JOBS = ["at", "cron", "keyutils", "tmux", "screen"]  # what people leave on a host with
# Marker -> the system package whose program the tests with that marker start.
NEEDS = {
    "browser": ["chromium"],
    "sshd": ["openssh-server", "sudo"],
    "clock": ["libfaketime"],
    "jobs": JOBS,
    "syslog": ["rsyslog", "syslog-ng-core"],
}
DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}  # pytest-django's; ours ask for one of them


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that know no database, and skip those whose program or database is missing; conftest.py imports
    this hook."""
    for item in items:
        if not (knows_the_database(item) or item.get_closest_marker("postgres_only")):
            item.add_marker("no_database")
    for marker, packages in NEEDS.items():
        reasons = [
            f"{package} is not installed (system package: {package})" for package in packages if not find(package)
        ]
        if marker == "sshd" and os.geteuid() != 0:
            reasons.append("only root may start a host with accounts")
        for item in items:
            if reasons and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reasons[0]))
    on_sqlite = str(settings.DATABASES["default"]["ENGINE"]).endswith(".sqlite3")
    wrong, name = ("postgres_only", "PostgreSQL") if on_sqlite else ("sqlite_only", "SQLite")
    for item in items:
        if item.get_closest_marker(wrong):
            item.add_marker(pytest.mark.skip(reason=f"needs {name} (`make test` runs it there)"))


def knows_the_database(item: pytest.Item) -> bool:
    """Return whether the test may use the test database: pytest-django refuses it to every other test.

    The others do not depend on the database, so `make test` runs them once.
    """
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(DATABASE_FIXTURES & fixtures)


def chromium() -> str:
    """Return the path of the browser, for tests marked `browser`."""
    path = find("chromium")
    assert path is not None, "mark the test with `browser`"
    return str(path)


def sshd() -> str:
    """Return the path of the OpenSSH server, for tests marked `sshd`."""
    path = find("openssh-server")
    assert path is not None, "mark the test with `sshd`"
    return str(path)


def wrong_clock(off: str) -> dict[str, str]:
    """Return an environment in which programs see a wrong clock, such as +1h or -1h, for tests marked `clock`."""
    library = find("libfaketime")
    assert library is not None, "mark the test with `clock`"
    _forget_clocks_of_the_dead()
    # How long something takes stays true.
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": off,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",
    }


def _forget_clocks_of_the_dead() -> None:
    """Remove the shared memory that libfaketime leaves if a program is killed or runs in a sandbox.

    It would remove that itself for the next process with the same number. In the sandbox of sshd this is forbidden, so
    the connection would break.
    """
    for path in Path("/dev/shm").glob("*faketime_s*_*"):
        if not Path(f"/proc/{path.name.rpartition('_')[2]}").exists():
            path.unlink(missing_ok=True)


def axe_source() -> str:
    """Return the source of axe-core, to be evaluated in a page. Skip the calling test if npm has not installed it."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed (run `make test` once, or `npm ci`)")
    return AXE.read_text()
