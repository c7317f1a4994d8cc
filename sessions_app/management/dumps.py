"""Write the whole database to one file and read it back: with VACUUM INTO on SQLite, pg_dump on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

from django.core.management.base import CommandError
from django.db import DatabaseError, connection, connections

NOTHING = "Nothing was changed."


def dump(target: Path) -> None:
    """Write a consistent copy of the running database to the new file `target`. Raises CommandError."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(target)])
    else:
        _run("pg_dump", "--format=custom", f"--file={target}")


def check(source: Path) -> None:
    """Raise CommandError when `source` is no complete dump."""
    if connection.vendor != "sqlite":
        _run("pg_restore", "--list", str(source), is_connected=False)
        return
    try:
        database = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
        (result,) = database.execute("PRAGMA integrity_check").fetchone()
        database.close()
    except sqlite3.DatabaseError as error:
        result = str(error)
    if result != "ok":
        raise CommandError(f"The database in the backup is damaged: {result}. {NOTHING}")


def load(source: Path) -> Path | None:
    """Replace the database by the dump. Return where the old file of SQLite is kept. Raises CommandError."""
    if connection.vendor == "sqlite":
        return _load_sqlite(source)
    name = f"--dbname={connection.settings_dict['NAME']}"
    connections.close_all()
    _run("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", name, str(source))
    return None


def _load_sqlite(source: Path) -> Path | None:
    """Replace the file of SQLite, after moving the old one away with its journal written into it.

    Beside a journal that belongs to another file, the new file would be destroyed.
    """
    file = Path(str(connection.settings_dict["NAME"]))
    old_file = None
    new = file.with_name(f"{file.name}.new")
    shutil.copyfile(source, new)
    new.chmod(0o600)
    if file.exists():
        _leave_wal()
        old_file = file.with_name(f"{file.name}.before-restore-{time.strftime('%Y%m%d-%H%M%S')}")
        file.replace(old_file)
        old_file.chmod(0o600)
    new.replace(file)
    return old_file


def _leave_wal() -> None:
    """Write the journal into the file and remove it, which SQLite does only while nobody else has the file open."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 1000")
            cursor.execute("PRAGMA journal_mode = DELETE")
            (mode,) = cursor.fetchone()
    except DatabaseError as error:
        mode = str(error)
    connections.close_all()
    if mode != "delete":
        raise CommandError(f"Somebody has the database open ({mode}). Stop web, worker and gateway first. {NOTHING}")


def _run(program: str, *arguments: str, is_connected: bool = True) -> None:
    """Run a program of PostgreSQL on the console's own database. The password is not on its command line."""
    if shutil.which(program) is None:
        raise CommandError(f"{program} was not found. Install PostgreSQL's client programs. {NOTHING}")
    wanted = connection.settings_dict
    variables = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGDATABASE": "NAME"}
    values = {name: str(wanted[key]) for name, key in variables.items() if wanted[key]} if is_connected else {}
    done = subprocess.run(  # noqa: S603 - no shell, and the console's own settings
        [program, *arguments], env={**os.environ, **values}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CommandError(f"{program} failed: {' '.join(done.stderr.split())[-500:]} {NOTHING}")
