"""`sessionadmin load_sample` fills an empty database with sample data, and says who can log in."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from activity import log
from sessions_app.sample.large import load_large
from sessions_app.sample.load import load_sample, remove_old_grants
from sessions_app.sample.people import People
from sessions_app.sealing import SealingError

ROLES = {"admin": "administrator", "auditor": "auditor", "approver": "approver", "alice": "user"}


class Command(BaseCommand):
    """The arguments and output of the command. The data is made in sessions_app/sample."""

    help = "Load sample people, policies, sessions and logins into an empty database, for trying the console out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--large",
            type=int,
            default=0,
            metavar="N",
            help="also load N plain sessions, N login sessions and 2 N log entries, to try long lists",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the data, write the file with the accounts, and print them."""
        if options["large"] < 0:
            raise CommandError("--large needs a number above zero. Nothing was changed.")
        if get_user_model()._default_manager.exists():
            raise CommandError(
                "This database has users already. Nothing was changed. Sample data goes into an empty database only; "
                "point DATABASE_URL to another one."
            )
        now = timezone.now()
        for name in remove_old_grants(Path(settings.PRACTICE_DIR)):
            self.stderr.write(f"Removed {name} from the practice hosts; another database left it.")
        try:
            sample = load_sample(now)
        except SealingError as error:
            raise CommandError(f"{error} Nothing was loaded.") from error
        if options["large"]:
            with log.importing("load_sample --large"):
                load_large(sample.catalogue, options["large"], now)
        accounts = accounts_text(sample.people)
        path = Path(settings.VAR_DIR) / "sample_accounts.txt"
        write_private(path, accounts)
        self.stdout.write(
            f"Loaded {len(sample.stories)} privileged sessions and {sample.entries} log entries.\n"
            f"Sample accounts (kept in {path}):\n{accounts}"
        )


def accounts_text(people: People) -> str:
    """Return one line for each account: role, user name, password."""
    return "".join(f"{ROLES[name]:<14} {name:<9} {password}\n" for name, password in people.passwords.items())


def write_private(path: Path, text: str) -> None:
    """Write `text` so that only its owner can read it, from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
