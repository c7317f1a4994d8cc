"""`sessionadmin build_sample_geoip` writes a small GeoIP file that knows the addresses of the sample data."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sessions_app.logins.geoip.sample_file import write_sample_database
from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES


class Command(BaseCommand):
    help = "Write a GeoIP file for the sample data's (documentation) addresses. It knows no real address."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--output", type=Path, help="where to write it (VAR_DIR/geoip/sample.mmdb unless given)", metavar="PATH"
        )

    def handle(self, *args: object, **options: object) -> None:
        output = options["output"]
        target = output if isinstance(output, Path) else Path(settings.VAR_DIR) / "geoip" / "sample.mmdb"
        try:
            write_sample_database(target)
        except OSError as error:
            raise CommandError(
                f"{target} could not be written: {error.strerror}. Nothing was changed. "
                "Make its directory writable, or choose another place with --output."
            ) from error
        if options["verbosity"]:
            self.stdout.write(f"Wrote {len(SAMPLE_PLACES)} places to {target}")
