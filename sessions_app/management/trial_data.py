"""Keeps `migrate` from a database that was made before version 0.1, when the migrations were others."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

APPS = ("activity", "sessions_app")
# Which every database of version 0.1 and later has. One without it that names migrations we do not have is of a trial;
# one without it that names only ours is new, and its first `migrate` broke off.
SINCE_FIRST_VERSION = ("sessions_app", "0001_first_version")


def refuse_trial_data(using: str, **kwargs: Any) -> None:
    """Raise CommandError for the database of a trial before 0.1. Receive pre_migrate, when nothing is changed yet."""
    applied = {key for key in MigrationRecorder(connections[using]).applied_migrations() if key[0] in APPS}
    if SINCE_FIRST_VERSION in applied:
        return
    if applied - MigrationLoader(None, ignore_no_migrations=True).disk_migrations.keys():
        raise CommandError(
            "The data is of a trial before version 0.1, which this version cannot read: nothing was changed; stop the "
            f"console, delete {_database(using)}the folder {settings.VAR_DIR} and start again."
        )


def _database(using: str) -> str:
    """Return what has to be deleted besides the folder of the console's data."""
    if connections[using].vendor == "sqlite":
        file = str(connections[using].settings_dict["NAME"])
        is_inside = file.startswith(f"{settings.VAR_DIR}/")
        return "" if is_inside else f"the file {file} and "
    return f"the database {connections[using].settings_dict['NAME']} and "
