"""Prepare the data the first time and then serve, for `make run`, once everything is installed.

This runs in one process, because starting Django twice would double the time that a second `make run` takes.
"""

import contextlib
import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import django
import environ
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError

from scripts import vendor
from scripts.city_database import CityDatabase
from scripts.install import telling
from sessionadmin.database import transactions
from sessionadmin.refusals import refusal
from sessions_app.management import sshd
from sessions_app.management.ports import gateway_port_in_use, refuse_port_in_use

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"


def main() -> None:
    """Prepare what is missing, print who can log in, and serve."""
    os.chdir(ROOT)
    os.umask(0o077)  # database, grants and keys in var/ are nobody else's to read on a shared machine
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionadmin.settings.development")
    environ.Env.read_env(str(ROOT / ".env"), overwrite=False)
    port = port_wanted()
    refuse_port_in_use(HOST, port)
    vendor.ensure()  # before Django looks which files there are; a second start finds everything in place
    django.setup()
    prepare()
    sys.stdout.flush()  # who can log in is told before somebody can
    practice = has_practice_host()
    places = CityDatabase(f"http://{HOST}:{port}")
    places.start()
    try:
        call_command(
            "serve",
            host=HOST,
            port=port,
            with_worker=True,
            with_practice_host=practice,
            with_gateway=practice and can_start_gateway(),
            skip_checks=False,
        )
    finally:
        places.stop()


def has_practice_host() -> bool:
    """Return whether to start a real host to practise on.

    It is started with sample data, where the process is root and sshd is installed, unless PRACTICE_HOST=0.
    """
    is_wanted = os.environ.get("PRACTICE_HOST", "") != "0" and (settings.VAR_DIR / "sample_accounts.txt").exists()
    return is_wanted and sshd.program() is not None


def can_start_gateway() -> bool:
    """Return whether the gateway's ports are free; if not, print that the trial goes on without it."""
    if busy := gateway_port_in_use():
        print(busy)
    return not busy


def port_wanted() -> int:
    """Return PORT of the environment. Raises CommandError when it is no port."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise CommandError(f"PORT={text} is not a port. Nothing was started. Use a number between 1 and 65535.")
    return int(text)


def prepare() -> None:
    """Migrate, and fill an empty database, unless the stamp in var/ says that both were done.

    The stamp is trusted for the embedded SQLite file alone. Another database may have been emptied or replaced without
    any sign here, so it is asked every time.
    """
    stamp = settings.VAR_DIR / "prepared.json"
    state = {"migrations": migrations_fingerprint(), "database": str(settings.DATABASES["default"]["NAME"])}
    is_embedded = str(settings.DATABASES["default"]["ENGINE"]).endswith(".sqlite3")
    accounts = settings.VAR_DIR / "sample_accounts.txt"
    if is_embedded and Path(state["database"]).exists() and stamp.exists() and json.loads(stamp.read_text()) == state:
        show(accounts)
        return
    with telling("Preparing the database"), without_long_transactions():
        call_command("migrate", interactive=False, verbosity=0)
    if get_user_model().objects.exists():
        show(accounts)
    elif os.environ.get("EMPTY", "") not in ("", "0"):
        call_command("create_first_admin")
    else:
        with telling("Making sample data"), without_long_transactions():
            make_sample_data()
    stamp.write_text(json.dumps(state))


def make_sample_data() -> None:
    """Make the places of the sample logins, and load all sample data."""
    call_command("build_sample_geoip", verbosity=0)
    # The settings looked for the file when it was not there yet; what is started from here looks again.
    settings.GEOIP_DATABASE = settings.GEOIP_DATABASE or str(settings.VAR_DIR / "geoip" / "sample.mmdb")
    call_command("load_sample")


@contextlib.contextmanager
def without_long_transactions() -> Iterator[None]:
    """Log no long transactions in the block: while the data is prepared nobody waits for the database."""
    logger = logging.getLogger(transactions.__name__)
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)


def migrations_fingerprint() -> str:
    """Return a hash that changes when `migrate` may have something to do.

    It covers our migrations, the table of the cache that each migrate makes, and the versions of what is installed.
    """
    digest = hashlib.sha256()
    others = [ROOT / "sessionadmin" / "cache.py", ROOT / "requirements.lock"]
    for path in sorted([*ROOT.glob("*/migrations/*.py"), *others]):
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def show(accounts: Path) -> None:
    """Print again who can log in. Without sample data there is nothing to print."""
    if accounts.exists():
        print(f"Sample accounts (kept in {accounts}):\n{accounts.read_text().rstrip()}\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (CommandError, ImproperlyConfigured, OperationalError) as error:
        if not (why := refusal(error)):
            raise
        sys.exit(why)
    except KeyboardInterrupt:
        sys.exit(130)
