"""`sessionadmin restore FILE` replaces the data of the console by a backup, and corrects what is outdated in it."""

from __future__ import annotations

import shutil
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError
from django.db.migrations.loader import MigrationLoader
from django.views.decorators.debug import sensitive_variables

from sessions_app.gateway import heartbeats
from sessions_app.management import archive, dumps
from sessions_app.worker.after_restore import correct_after_restore
from sessions_app.worker.health import heartbeat

NOTHING = "Nothing was changed."


class Command(BaseCommand):
    help = "Replace the database and the recordings by a backup. Stop web, worker and gateway first."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="file that `sessionadmin backup` wrote")
        parser.add_argument("--yes", action="store_true", help="replace the current data without asking")

    def handle(self, *args: Any, file: Path, yes: bool, **options: Any) -> None:
        """Restore in this order.

        1. Look at the backup and at what runs; until then nothing is changed.
        2. Put the database in its place, then the recordings, and apply the migrations that are newer.
        3. End what the backup believes to be going on.
        4. Say what is left to do.
        """
        with tempfile.TemporaryDirectory(dir=settings.VAR_DIR, prefix=".restore-") as scratch:  # mode 0700
            directory = Path(scratch)
            manifest = archive.unpack(file, directory)
            refuse_newer(manifest["migrations"])
            dumps.check(directory / archive.DATABASE)
            refuse_while_running()
            if not yes and input(f"Replace everything by the backup of {manifest['made_at']}? Type yes: ") != "yes":
                raise CommandError(NOTHING)
            old_file = dumps.load(directory / archive.DATABASE)
            self._recordings(directory / archive.RECORDINGS)
            call_command("migrate", interactive=False, verbosity=0)
            lines = correct_after_restore(manifest["made_at"])
            keys = self._keys(archive.missing_keys(directory))
        self.stdout.write(f"Restored the backup of {manifest['made_at']}.")
        for line in [*lines, *([f"The database as it was is kept in {old_file}."] if old_file else []), *keys]:
            self.stdout.write(line)
        self.stdout.write("Start the console, then look at what hosts hold of sessions it no longer knows:")
        self.stdout.write("sessionadmin doctor; take it away with sessionadmin audit_grants NAME --remove")

    def _recordings(self, source: Path) -> None:
        target = archive.recordings_directory()
        if target is None or not source.is_dir():
            return
        shutil.copytree(source, target, dirs_exist_ok=True)
        for path in [target, *target.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)

    @sensitive_variables()
    def _keys(self, missing: dict[str, Any]) -> list[str]:
        """Write the backup's keys to a file that only the console's account reads; they are never printed."""
        if not missing:
            return []
        path = Path(settings.VAR_DIR) / "restored.env"
        path.touch(mode=0o600)
        values = {name: value if isinstance(value, str) else ",".join(value) for name, value in missing.items()}
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return [
            f"The backup was made with another {' and another '.join(missing)}. Without it secrets cannot be opened: "
            f"copy it from {path} to the settings, then delete that file."
        ]


def refuse_newer(migrations: list[str]) -> None:
    """Raise CommandError for a backup of a newer version or of a trial before 0.1."""
    known = {".".join(one) for one in MigrationLoader(None, ignore_no_migrations=True).disk_migrations}
    if unknown := sorted(set(migrations) - known):
        raise CommandError(
            f"The backup is of a newer version or of a trial before 0.1 ({unknown[-1]}). {NOTHING} "
            "Install that version first."
        )


def refuse_while_running() -> None:
    """Raise CommandError while a worker or gateway is running.

    When the database is gone or empty, none can be running.
    """
    try:
        there = {one.host for one in heartbeat.running()} | {one.host for one in heartbeats.running()}
    except (DatabaseError, InterfaceError):
        return
    if there:
        raise CommandError(
            f"Workers or gateways run on {', '.join(sorted(there))}. Stop them and the web server first. {NOTHING}"
        )
