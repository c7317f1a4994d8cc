"""What the documents say of the code in numbers and tables is what the code does."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import sqlite3
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import registry
from django.core.management import CommandError, call_command, get_commands, load_command_class

from sessions_app.gateway import store
from sessions_app.hosts.connectors.ssh.check import TOOLS
from sessions_app.hosts.connectors.ssh.results import TEMPORARY, TIMED_OUT
from sessions_app.privileged.lifecycle import TRANSITIONS
from sessions_app.privileged.models import Status
from sessions_app.worker import search
from tests.support import programs

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EVERY = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def text_of(name: str) -> str:
    return (DOCS / name).read_text()


def table_below(text: str, first_heading: str) -> list[list[str]]:
    """Return the cells of the rows of the table whose head begins with `first_heading`."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_heading}"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def test_the_table_of_statuses_is_the_one_that_the_code_keeps() -> None:
    documented: dict[Status, set[Status]] = {}
    for status, _, may_become, _ in table_below(text_of("lifecycle.md"), "status (label)"):
        others = {Status(name) for name in re.findall(r"[a-z_]+", may_become)}
        documented |= {Status(name): others for name in re.findall(r"`([a-z_]+)`", status)}
    assert documented == {status: set(others) for status, others in TRANSITIONS.items()}


@pytest.mark.django_db
def test_health_lists_every_part_that_is_looked_at() -> None:
    documented = {row[0] for row in table_below(text_of("health.md"), "Finding")}
    output = StringIO()
    with contextlib.suppress(CommandError):  # some part is wrong where nothing runs; that is not asked here
        call_command("doctor", "--skip-hosts", stdout=output)
    found = set(re.findall(r"^(?:ok|warning|error) +([A-Z][A-Za-z ]+):", output.getvalue(), re.MULTILINE))
    assert documented - {"Host *name*", "Practice hosts", "Provider *name*", "SIEM *name*"} == found


def test_the_programs_that_a_host_needs_are_those_that_the_test_looks_for() -> None:
    needs = text_of("hosts.md").partition("## Prepare a host")[2].partition("\n1. ")[0]
    listed = next(part for part in needs.split("\n\n") if "`useradd`" in part)
    assert set(re.findall(r"`([a-z0-9]+)`", listed)) == set(TOOLS.split())


def test_the_exit_codes_that_are_tried_again_are_named() -> None:
    documented = re.search(r"Exit code (\d+) means .try again later.\. So do (\d+) and (\d+)", text_of("hosts.md"))
    assert documented is not None
    assert tuple(int(code) for code in documented.groups()) == (TEMPORARY, *TIMED_OUT)


def test_the_connections_of_a_worker_and_a_gateway_are_counted_as_they_are_made() -> None:
    parser = load_command_class("sessions_app", "run_worker").create_parser("manage.py", "run_worker")
    threads = parser.get_default("threads")
    # itself; recordings, silent hosts, searches, mails, seals, checkpoints, the way to the SIEM, exports,
    # retention
    for_itself = 1 + 9
    documented = re.search(
        r"- (\d+) for each `run_worker`: (\d+) as a rule \((\d+) `--threads`.*?up to (\d+) hosts.*?slow step \((\d+)\)",
        text_of("deploy.md"),
        flags=re.DOTALL,
    )
    assert documented is not None
    as_a_rule = threads + for_itself
    at_most = as_a_rule + search.HOSTS_AT_A_TIME + threads + 1
    assert [int(number) for number in documented.groups()] == [
        at_most,
        as_a_rule,
        threads,
        search.HOSTS_AT_A_TIME,
        threads,
    ]
    background = re.search(r"^def _background\(.+?    return \((.+?)\n    \)$", worker_loop(), re.MULTILINE | re.DOTALL)
    assert background is not None
    assert len(re.findall(r"\w+\(stop\b", background[1])) == for_itself - 1
    gateway = re.search(r"(\d+) for each `run_gateway`", text_of("deploy.md"))
    assert gateway is not None
    assert int(gateway[1]) == store.THREADS + 2 + 1  # for what comes first; for the listener


def worker_loop() -> str:
    return (ROOT / "sessions_app" / "worker" / "loop.py").read_text()


def test_an_installation_and_an_upgrade_bring_the_terminal_and_the_replay() -> None:
    deploy = text_of("deploy.md")
    for heading in ("## With systemd", "### From a wheel", "## Upgrade"):
        assert "python -m scripts.vendor" in deploy.partition(heading)[2].partition("\n## ")[0], heading


def test_every_option_of_a_command_that_a_document_names_exists() -> None:
    found = 0
    for path in EVERY:
        for name, rest in re.findall(r"\bsessionadmin ([a-z_]+)([^`\n#|;)]*)", path.read_text()):
            if not (options := re.findall(r"(?<!\S)--[a-z-]+", rest)) or name not in get_commands():
                continue
            parser = load_command_class(get_commands()[name], name).create_parser("sessionadmin", name)
            inner = [one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
            parsers = [parser, *(each for choices in inner for each in choices.values())]
            known = {option for each in parsers for option in each._option_string_actions}
            assert set(options) <= known, f"{path.name}: sessionadmin {name}{rest}"
            found += 1
    assert found >= 20


def test_every_file_of_ours_that_a_document_names_is_there() -> None:
    folders = ("activity", "benchmarks", "scripts", "sessionadmin", "sessions_app", "templates", "tests")
    files = [str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / folder).rglob("*.*")]
    files += [path.name for path in ROOT.iterdir()]
    for path in EVERY:
        for name in re.findall(r"`([\w./-]+\.(?:py|html|sh))`", path.read_text()):
            assert any(f"/{file}".endswith(f"/{name}") for file in files), f"{path.name}: {name}"


def test_a_line_for_cron_has_the_whole_path_of_the_command() -> None:
    for path in EVERY:
        for line in re.findall(r"^ *(?:[\d*/,-]+ +){5}(.*sessionadmin.*)$", path.read_text(), re.MULTILINE):
            assert "/bin/sessionadmin" in line, f"{path.name}: {line}"


def test_the_options_of_a_storage_survive_a_shell_that_reads_them() -> None:
    found = 0
    for path in [*EVERY, ROOT / ".env.example"]:
        for value in re.findall(r"^#?RECORDINGS_STORAGE_OPTIONS=(.*)$", path.read_text(), re.MULTILINE):
            assert json.loads("".join(shlex.split(value))), path.name
            found += 1
    assert found >= 2


def test_what_the_trial_takes_from_the_environment_is_in_the_example() -> None:
    files = (ROOT / "Makefile", ROOT / "scripts" / "run.py", ROOT / "scripts" / "city_database.py")
    source = "".join(path.read_text() for path in files)
    taken = {"PRACTICE_HOST", "PORT", "EMPTY", "GEOIP_FETCH"}
    assert all(re.search(rf"\b{name}\b", source) for name in taken)
    head = (ROOT / ".env.example").read_text().partition("\n\n")[0]
    assert taken <= set(re.findall(r"[A-Z_]+", head))


def test_no_two_checks_share_an_id() -> None:
    places: dict[str, set[str]] = {}
    for path in [*ROOT.glob("activity/**/*.py"), *ROOT.glob("sessions_app/**/*.py")]:
        for name in re.findall(r'id="((?:activity|sessions_app)\.[WE]\d+)"', path.read_text()):
            places.setdefault(name, set()).add(str(path))
    assert len(places) >= 10
    assert {name for name, where in places.items() if len(where) > 1} == set()
    assert registry.registry.registered_checks


def test_every_id_of_a_check_that_a_document_names_exists() -> None:
    sources = "".join(path.read_text() for app in ("activity", "sessions_app") for path in (ROOT / app).rglob("*.py"))
    for path in EVERY:
        for name in re.findall(r"\b(?:activity|sessions_app)\.[WE]\d{3}\b", path.read_text()):
            assert f'"{name}"' in sources, f"{path.name}: {name}"


@pytest.mark.sqlite_only
def test_the_file_of_sqlite_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    environment = programs.production(VAR_DIR=str(tmp_path / "var"))
    before = os.umask(0o022)
    try:
        result = programs.run([*programs.MANAGE, "migrate", "activity", "zero", "--plan"], environment)
    finally:
        os.umask(before)
    assert result.returncode == 0, result.stderr
    file = tmp_path / "var" / "sessionadmin.sqlite3"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_player_alone_may_run_web_assembly() -> None:
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert not [value for values in directives.values() for value in values if "unsafe" in value]
    allowing = [path.name for path in (ROOT / "sessions_app").rglob("*.py") if "'wasm-unsafe-eval'" in path.read_text()]
    assert len(allowing) == 1
    assert "wasm-unsafe-eval" in text_of("security.md")
