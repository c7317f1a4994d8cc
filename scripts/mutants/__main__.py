"""What `make mutants` does: changes the code in many small ways, one at a time, and prints those that no test notices.

    make mutants                        60 changes, drawn with seed 1
    make mutants ARGS="--seed 7 --count 100"
    make mutants ARGS="--map"           learn anew which test calls what, by running all tests once

It works on a copy of the files, on SQLite, and takes two hours or so: it is no part of `make test`. A change is tried
with the tests that call the function it is in, the quickest and most particular first; a browser and other processes
are not followed. Nothing stands in for judgement: a change can leave everything as it was for everybody.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.mutants.changes import Change, draw

ROOT = Path(__file__).resolve().parent.parent.parent
SELECTION = "not postgres_only and not browser"
MAP = ROOT / "var" / "mutants" / "called.json"
LONGEST_SECONDS = 600  # seconds for the tests of one change: an endless loop is noticed by that
FIRST_TESTS_SECONDS = 60.0  # seconds of tests that are tried first; the others only when these pass
MOST_TESTS_SECONDS = 400.0  # seconds of tests for one change; more call what everything calls
# What the caller has in the environment must not change the result.
PASSED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")

Tests = Mapping[str, Mapping[str, Any]]


def main() -> int:
    """Try all changes. Return 0, as the exit code, when each was noticed."""
    parser = argparse.ArgumentParser(prog="make mutants", description="Change the code, and see which tests notice.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--map", action="store_true", help="learn anew which test calls which function")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sessionadmin-mutants-") as scratch:
        copy = copied(Path(scratch))
        if options.map or not MAP.exists():
            learn(copy)
        tests = json.loads(MAP.read_text(encoding="utf-8"))
        changes = draw(copy, options.seed, options.count)
        survivors = [change for number, change in enumerate(changes, 1) if not is_noticed(copy, change, tests, number)]
    print(f"{len(changes)} changes with seed {options.seed}, {len(changes) - len(survivors)} noticed. Not noticed:")
    for change in survivors:
        print(f"  {change}")
    return 1 if survivors else 0


def copied(scratch: Path) -> Path:
    """Return a copy of what git knows or would add, with the environment and the files from npm."""
    copy = scratch / "code"
    copy.mkdir()
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True
    ).stdout.split(b"\0")
    for name in filter(None, names):
        source, target = ROOT / os.fsdecode(name), copy / os.fsdecode(name)
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    for linked in (".venv", "node_modules", "static/vendor"):
        (copy / linked).symlink_to(ROOT / linked)
    return copy


def learn(copy: Path) -> None:
    """Run every test once, and store which functions it calls."""
    print("Learning which test calls what: all tests are run once ...", flush=True)
    into = copy.parent / "called"
    into.mkdir()
    run(copy, ["-n", "2", "--dist", "worksteal", "-p", "scripts.mutants.called"], longest=3 * 60 * 60, CALLED_INTO=into)
    tests: dict[str, Any] = {}
    for file in into.glob("*.json"):
        tests |= json.loads(file.read_text(encoding="utf-8"))
    MAP.parent.mkdir(parents=True, exist_ok=True)
    MAP.write_text(json.dumps(tests), encoding="utf-8")


def is_noticed(copy: Path, change: Change, tests: Tests, number: int) -> bool:
    """Return whether a test fails, or does not end, with the change in place."""
    file = copy / change.path
    text = file.read_text(encoding="utf-8")
    began = time.monotonic()
    verdict, count = "NOT NOTICED", 0
    file.write_text(change.applied(text), encoding="utf-8")
    try:
        for some in chosen(change, tests):
            count += len(some)
            if by := noticing(copy, some):
                verdict = f"noticed by {by}"
                break
    finally:
        file.write_text(text, encoding="utf-8")
    print(f"{number:3} {change}\n      {verdict} ({count} tests, {time.monotonic() - began:.0f} s)", flush=True)
    return verdict != "NOT NOTICED"


def chosen(change: Change, tests: Tests) -> list[list[str]]:
    """Return the tests that call the changed function, in two groups: the most specific ones, then the others."""
    name = f"{change.path}::{change.function}"
    calling = [test for test, said in tests.items() if name in said["calls"]]
    if not calling:  # nothing that was followed calls it: who calls anything of that file
        calling = [test for test, said in tests.items() if any(c.startswith(f"{change.path}::") for c in said["calls"])]
    calling.sort(key=lambda test: (len(tests[test]["calls"]) * (1 + tests[test]["seconds"]), test))
    first: list[str] = []
    others: list[str] = []
    seconds = 0.0
    for test in calling:
        seconds += tests[test]["seconds"]
        if seconds < FIRST_TESTS_SECONDS or not first:
            first.append(test)
        elif seconds < MOST_TESTS_SECONDS:
            others.append(test)
    return [some for some in (first, others) if some]


def noticing(copy: Path, tests: list[str]) -> str:
    """Return the first test that fails; empty when all pass."""
    listed = copy.parent / "tests.txt"
    listed.write_text("\n".join(tests), encoding="utf-8")
    code, said = run(copy, ["-x", f"@{listed}"], longest=LONGEST_SECONDS)
    if code is None:
        return "not ending"
    failed = [line.split(" - ")[0] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return (failed[0] if failed else f"exit code {code}") if code else ""


def run(copy: Path, arguments: list[str], *, longest: int, **environment: object) -> tuple[int | None, str]:
    """Run pytest. Return its exit code and its output.

    The exit code is None when it did not end within `longest` seconds.
    """
    given = {key: value for key, value in os.environ.items() if key in PASSED_VARIABLES}
    given |= {"PYTHONPATH": str(copy), "TEST_VAR_DIR": str(copy.parent / "var"), "PYTHONDONTWRITEBYTECODE": "1"}
    given |= {key: str(value) for key, value in environment.items()}
    (copy.parent / "var").mkdir(exist_ok=True)
    command = [str(copy / ".venv" / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", SELECTION]
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=copy,
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=longest)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""
    return process.returncode, said


if __name__ == "__main__":
    sys.exit(main())
