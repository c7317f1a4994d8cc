"""Gives tests databases as `migrate` leaves them, without running it for each: it takes ten seconds of the processor.

The first process of the tests that needs one migrates an empty database; the others wait for it and copy it. It stays
in VAR_DIR (on PostgreSQL, beside the test databases) until our code changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from tests.support import emptying, programs

FOLDER = settings.VAR_DIR / "migrated"
NAME_ENDS = "_migrated"


def copy_to(var: Path) -> None:
    """Make the directory of a console with a migrated SQLite database."""
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copy_on_sqlite(var / "sessionadmin.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """Make the test database of this process from the migrated one, in place of pytest-django's fixture.

    `migrate` runs on the copy too, and finds nothing to do. The log begins empty: what `migrate` wrote would be in the
    hour that a test asks for, in a run of an hour.
    """
    with django_db_blocker.unblock():
        name = connection.creation._get_test_db_name()  # type: ignore[attr-defined]  # not in the stubs
        if connection.vendor == "sqlite":
            _copy_on_sqlite(Path(name))
        else:
            copy_on_postgresql(name)
        made = setup_databases(verbosity=0, interactive=False, serialized_aliases=[], keepdb=True)
        emptying.empty_tables()
    yield
    with django_db_blocker.unblock():
        try:
            teardown_databases(made, verbosity=0)
        except Exception as error:  # noqa: BLE001 - as pytest-django: what is left of a test is no failure of another
            warnings.warn(f"The test database was not deleted: {error!r}", pytest.PytestWarning, stacklevel=1)


def _copy_on_sqlite(file: Path) -> None:
    """Make the database `file` from the migrated one, and that one anew when our code has changed."""
    for ends in ("", "-wal", "-shm"):  # what a run that was killed left there
        Path(f"{file}{ends}").unlink(missing_ok=True)
    stamp = FOLDER / "stamp"
    with _one_at_a_time():
        if not stamp.exists() or stamp.read_text() != _fingerprint():
            shutil.rmtree(FOLDER, ignore_errors=True)
            FOLDER.mkdir(mode=0o700)
            _migrate(VAR_DIR=str(FOLDER))
            stamp.write_text(_fingerprint())
        shutil.copy(FOLDER / "sessionadmin.sqlite3", file)


def copy_on_postgresql(name: str) -> None:
    """Make the database `name` from the migrated one, and that one anew when our code has changed."""
    server = urlsplit(os.environ["TEST_DATABASE_URL"])
    source = f"{server.path.lstrip('/')}{NAME_ENDS}"
    with _one_at_a_time(), connection._nodb_cursor() as cursor:
        quoted = [connection.ops.quote_name(one) for one in (source, name)]
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [source])
        if cursor.fetchone() != (_fingerprint(),):
            cursor.execute(f"DROP DATABASE IF EXISTS {quoted[0]} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {quoted[0]}")
            with tempfile.TemporaryDirectory() as var:
                _migrate(VAR_DIR=var, DATABASE_URL=server._replace(path=f"/{source}").geturl())
            cursor.execute(f"COMMENT ON DATABASE {quoted[0]} IS '{_fingerprint()}'")
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted[1]} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {quoted[1]} TEMPLATE {quoted[0]}")


def _migrate(**where: str) -> None:
    environment = programs.clean_environment(DJANGO_SETTINGS_MODULE="sessionadmin.settings.development", **where)
    done = programs.run([*programs.MANAGE, "migrate", "--verbosity", "0"], environment)
    assert done.returncode == 0, done.stderr


def _fingerprint() -> str:
    """Return a hash of everything that what `migrate` makes can depend on."""
    digest = hashlib.sha256((programs.ROOT / "requirements.lock").read_bytes())
    for package in ("activity", "sessionadmin", "sessions_app"):
        for path in sorted((programs.ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    with FOLDER.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
