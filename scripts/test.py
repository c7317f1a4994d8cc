"""Install what the tests need, run them on SQLite and on PostgreSQL, and add up the results, for `make test`.

Arguments go to pytest: `make test ARGS="tests/logins -k expired"`. With CI=true a skipped test counts as failed, unless
it was skipped because a server on the internet did not answer.

A few tests that fail are run once more, alone: some wait for hosts and browsers beside others on a busy machine. What
passes then is named at the end, so that somebody looks at it, and counts as passed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from scripts import vendor
from scripts.system_packages import install_missing
from scripts.throwaway_postgres import PostgresFailedError, throwaway_postgres

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv" / "bin" / "python")
NOTHING_SELECTED = 5  # pytest's exit code when -k or -m leaves no test
# Nothing else of the caller's environment may change what the tests see.
PASSED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "CI", "PYTEST_ADDOPTS", "TEST_PATIENCE")
WORKERS = "4"  # twice the cores it is made for: many tests wait for hosts and browsers
TIDY_WITHIN = 20  # seconds that interrupted tests have to stop what they started
MOST_AGAIN = 10  # failed tests that are run once more; more of them are no coincidence
NOT_REACHED = "not reached: "  # how the reason of a test begins that needs a server on the internet
ON_SQLITE = "not postgres_only"
# What knows no database is the same on both (tests/support/machine.py), and so is a browser: its smoke tests run twice.
ON_POSTGRESQL = "not sqlite_only and not no_database and (not browser or browser_smoke)"


@dataclass
class Result:
    """The result of one run of pytest."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)  # reason -> how many tests
    failures: list[str] = field(default_factory=list)  # the tests that failed, as pytest names them
    passed_alone: list[str] = field(default_factory=list)
    seconds: float = 0.0


def main(arguments: Sequence[str]) -> int:
    """Run everything. Return 0 when every test passed and, under CI=true, none was skipped."""
    signal.signal(signal.SIGTERM, stop_in_order)
    loud = [f"NOT INSTALLED: {package}. The tests that need it were skipped." for package in install_missing()]
    if not vendor.ensure():
        loud.append("NOT INSTALLED: axe-core, the player and the terminal from npm. Tests that need them were skipped.")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sessionadmin-test-")))
        results = [run("SQLite", ON_SQLITE, None, scratch / "sqlite", arguments)]
        try:
            address = stack.enter_context(throwaway_postgres())
        except PostgresFailedError as error:
            loud.append(f"NOT RUN: all tests on PostgreSQL. {error}")
        else:
            results.append(run("PostgreSQL", ON_POSTGRESQL, address, scratch / "postgresql", arguments))
    return report(results, loud)


def stop_in_order(signum: int, frame: object) -> NoReturn:
    """Treat SIGTERM like Ctrl+C, so that everything that was started is stopped."""
    raise KeyboardInterrupt


def run(name: str, selection: str, address: str | None, scratch: Path, arguments: Sequence[str]) -> Result:
    """Run the tests of `selection` on the database server at `address`, or on SQLite without one."""
    scratch.mkdir()
    environment = {key: value for key, value in os.environ.items() if key in PASSED_VARIABLES}
    environment["TEST_VAR_DIR"] = str(scratch)
    if address:
        environment["TEST_DATABASE_URL"] = f"{address}/sessionadmin"
    command = [PYTHON, "-m", "pytest", "-q", "-m", selection]
    print(f"== {name}", flush=True)
    started = time.monotonic()
    shared = ["-n", workers(arguments), "--dist", "worksteal"]
    result = run_once(name, [*command, *shared, *arguments], environment, scratch / "results.xml")
    if 0 < len(result.failures) == result.failed <= MOST_AGAIN:
        print(f"== {name}: once more, alone, what failed", flush=True)
        alone = run_once(name, [*command, "-n", "0", *result.failures], environment, scratch / "alone.xml")
        result.passed_alone = [test for test in result.failures if test not in alone.failures][: alone.passed]
        result.passed += len(result.passed_alone)
        result.failed -= len(result.passed_alone)
    result.seconds = time.monotonic() - started
    return result


def run_once(name: str, command: Sequence[str], environment: dict[str, str], summary: Path) -> Result:
    """Run pytest and return its results, with a failure when it broke off."""
    code = run_interruptibly([*command, f"--junit-xml={summary}"], environment)
    result = read_summary(name, summary)
    if code not in (0, NOTHING_SELECTED) and result.failed == 0:
        result.failed = 1  # pytest itself broke off; its own words are above
    return result


def workers(arguments: Sequence[str]) -> str:
    """Return how many processes of pytest share the tests; 0 is none but the first.

    Single files run in that one process: to start others and to make a database for each takes longer than the tests.
    """
    names_files = any(argument.partition("::")[0].endswith(".py") for argument in arguments)
    return "0" if names_files else WORKERS


def run_interruptibly(command: list[str], environment: dict[str, str]) -> int:
    """Run to the end and return the exit code.

    On Ctrl+C the tests get time to stop what they started.
    """
    # In a group of its own, so that it is interrupted once and not by the terminal as well.
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(TIDY_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise


def read_summary(name: str, summary: Path) -> Result:
    """Count what pytest wrote to its JUnit file. Without that file nothing was run."""
    result = Result(name)
    if not summary.exists():
        return result
    for case in ElementTree.parse(summary).getroot().iter("testcase"):  # noqa: S314 - written by our own pytest
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
            result.failures.append(f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}")
        elif skipped is not None and skipped.get("type") != "pytest.xfail":
            reason = skipped.get("message") or "no reason given"
            result.skipped[reason] = result.skipped.get(reason, 0) + 1
        else:
            result.passed += 1
    return result


def report(results: Sequence[Result], loud: Sequence[str]) -> int:
    """Print each run, then what was left out, then the sum. Return the exit code."""
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    left_out, not_reached = list(loud), list[str]()
    for result in results:
        skipped = sum(result.skipped.values())
        counts = f"{result.passed} passed, {result.failed} failed, {skipped} skipped in {result.seconds:.0f} s"
        print(f"== {result.name}: {counts}")
        for why, count in result.skipped.items():
            skips = not_reached if why.startswith(NOT_REACHED) else left_out
            skips.append(f"SKIPPED on {result.name}: {count} x {why}")
    unsteady = [
        f"UNSTEADY on {result.name}: {test} failed beside other tests, and passed alone"
        for result in results
        for test in result.passed_alone
    ]
    for line in [*left_out, *not_reached, *unsteady]:
        print(f"!! {line}")
    if left_out and os.environ.get("CI") == "true":
        print("!! CI=true: what was left out counts as failed.")
        failed += len(left_out)
    if passed == 0 and failed == 0:
        print("!! Not a single test was run.")
        failed = 1
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("Stopped. Everything that was started has been stopped.")
