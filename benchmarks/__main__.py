"""Measure the console beside what others would use, on the same rows, on SQLite and on PostgreSQL.

    make bench                       20,000 log entries; SIZE=1m or SIZE=10m for more
    make bench ARGS="--only sqlite"

Each database is measured in a process of its own, in which the console and its peers take turns. The data stays below
var/bench for the next time. For PostgreSQL, BENCH_DATABASE_URL names a database; without it a throw-away server without
fsync is started. No time is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import table
from scripts.system_packages import FOR_BENCHMARKS, install_missing
from scripts.throwaway_postgres import throwaway_postgres

ROOT = Path(__file__).resolve().parent.parent
TRIAL = "tiny"  # that the benchmark itself works
SIZES = (TRIAL, "small", "1m", "10m")


def read_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), default="", help="one of the two databases")
    parser.add_argument("--directory", type=Path, default=ROOT / "var" / "bench", help="for data and results")
    return parser.parse_args()


def schema() -> str:
    """Return a hash of the code that creates and fills the tables. Data that other code has made is not used again."""
    names = (
        "activity/migrations",
        "sessions_app/migrations",
        "benchmarks/volume",
        "activity/text_index.py",
        "activity/folding.py",
    )
    found = hashlib.sha256()
    for name in names:
        path = ROOT / name
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            found.update(file.read_bytes())
    return found.hexdigest()[:8]


@contextlib.contextmanager
def database(kind: str, size: str, directory: Path) -> Iterator[str]:
    """Return the address of a database for this size."""
    if kind == "sqlite":
        yield f"sqlite:///{directory / f'{size}-{schema()}.sqlite3'}"
    elif given := os.environ.get("BENCH_DATABASE_URL"):
        yield given
    else:
        with throwaway_postgres() as server:
            yield f"{server}/postgres"


def main() -> int:
    """Measure on each database and print the table. Return the exit code of the first measurement that failed, or 0."""
    options = read_options()
    options.directory.mkdir(parents=True, exist_ok=True)
    options.directory.chmod(0o700)  # `serve` refuses to start on a folder that other accounts may read
    for package in install_missing(FOR_BENCHMARKS) if options.size != TRIAL else ():
        print(f"NOT INSTALLED: {package}. What needs it is not measured.", file=sys.stderr)
    results = {}
    for kind in [options.only] if options.only else ["sqlite", "postgresql"]:
        path = options.directory / f"result-{options.size}-{kind}.json"
        print(f"{kind}, {options.size}", flush=True)
        with database(kind, options.size, options.directory) as address:
            environment = {
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
                "BENCH_DATABASE": address,
                "BENCH_DIR": str(options.directory),
            }
            command = [sys.executable, "-m", "benchmarks.one", options.size, str(path)]
            failed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if failed:
            print(f"{kind} was not measured; the lines above say why.", file=sys.stderr)
            return failed
        results[kind] = json.loads(path.read_text())
    (options.directory / f"result-{options.size}.json").write_text(json.dumps(results, indent=1))
    text = table(results)
    (options.directory / f"result-{options.size}.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
