"""Run an installation for MINUTES under load and under constant trouble, then say what was left.

    make soak MINUTES=30                             as root, where sshd, sudo, visudo and mkfs.ext4 are
    make soak MINUTES=30 ARGS="--postgresql --seed 7"

People work with OpenSSH's client through a real gateway on hosts of their own (benchmarks/hosts.py). Meanwhile workers,
gateways, web processes and the hosts' sshd are killed at random, the disk is filled, the database is read-only or busy,
a host is away for three minutes while rights are to be taken away there, and a host answers with another key.

At the end nothing may be left: no right on any host, no open connection or recording. Every recording must be as it was
hashed, every connection must have its row, and every status must be true. The exit code is 1 when something is left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import tempfile
import threading
import time
from pathlib import Path

from scripts.throwaway_postgres import throwaway_postgres
from tests.support.programs import MANAGE, clean_environment, free_port, run


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="of trouble (default: %(default)s)")
    parser.add_argument("--people", type=int, default=6, help="who work at a time (default: %(default)s)")
    parser.add_argument("--hosts", type=int, default=3, help="that they work on (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices (default: from the clock)")
    parser.add_argument("--postgresql", action="store_true", help="use a PostgreSQL server of its own, not SQLite")
    return parser.parse_args()


def prepare_django(environment: dict[str, str]) -> None:
    """Let this process use the installation's own settings and database, with its tables made."""
    made = run([*MANAGE, "migrate", "--verbosity", "0"], environment)
    if made.returncode != 0:
        raise SystemExit(f"The database could not be made: {made.stderr[-2000:]}")
    os.environ.update(environment)
    import django  # noqa: PLC0415 - the settings are known only now

    django.setup()


def main(options: argparse.Namespace) -> int:
    """Run the trial; return the exit code."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sessionadmin-soak-")))
        from benchmarks.soak.installation import installed, small_disk  # noqa: PLC0415 - once Django is set up

        disk = stack.enter_context(small_disk(directory))
        disk.chmod(0o700)
        address = f"{stack.enter_context(throwaway_postgres())}/postgres" if options.postgresql else ""
        port, gateway_port, terminal_port = free_port(), free_port(), free_port()
        environment = clean_environment(
            DJANGO_SETTINGS_MODULE="sessionadmin.settings.development",
            VAR_DIR=str(disk),
            PORT=str(port),
            GATEWAY_PORT=str(gateway_port),
            GATEWAY_TERMINAL_PORT=str(terminal_port),
            LOG_LEVEL="WARNING",
            **({"DATABASE_URL": address} if address else {}),
        )
        prepare_django(environment)
        from benchmarks.soak import trial  # noqa: PLC0415 - it uses the models

        host_directory = directory / "hosts"
        host_directory.mkdir()
        scene = stack.enter_context(trial.scene(host_directory, options.hosts, options.people))
        running = stack.enter_context(installed(port, environment, directory / "log"))
        stop = threading.Event()
        world = trial.World(
            running,
            scene.machines,
            disk,
            scene.admin,
            address,
            stop,
            random.Random(options.seed),
        )
        left = trial.run(scene, world, gateway_port, options.minutes * 60)
        print(running.log.read_text()[-3000:] if left else "", flush=True)
    return 1 if left else 0


if __name__ == "__main__":
    chosen = read_options()
    chosen.seed = chosen.seed or int(time.time())
    raise SystemExit(main(chosen))
