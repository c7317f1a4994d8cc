"""What newcomers and build machines rely on: the two commands, the lock files, and clear errors for wrong settings."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from django.urls import reverse

from scripts import check
from tests.support import programs

ROOT = programs.ROOT
CHECK_DEPLOY = [*programs.MANAGE, "check", "--deploy", "--fail-level", "WARNING"]


def test_every_make_command_of_the_documents_exists() -> None:
    promised = set(re.findall(r"make ([a-z]+)\b", (ROOT / "README.md").read_text()))
    assert {"run", "test"} <= promised
    for target in promised:
        result = programs.run(["make", "--dry-run", target], programs.clean_environment())
        assert result.returncode == 0, result.stderr


def test_the_build_machine_runs_checks_and_tests_and_skips_nothing() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "export CI=true" in lines
    assert [line.split(" ||")[0] for line in lines if line.startswith("make ")] == ["make check", "make test"]


def test_lock_files_hold_no_address() -> None:
    assert check.lock_file_addresses(ROOT) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("requirements.lock", "django @ https://packages.example.com/django.whl"),
        ("requirements-dev.lock", "--index-url=http://packages.example.com/simple"),
        ("package-lock.json", '      "resolved": "https://packages.example.com/axe-core.tgz",'),
    ],
)
def test_an_address_in_a_lock_file_is_found(tmp_path: Path, name: str, line: str) -> None:
    for lock_file in check.LOCK_FILES:
        (tmp_path / lock_file).write_text("")
    (tmp_path / name).write_text(f"first\n{line}\n")
    assert check.lock_file_addresses(tmp_path) == [f"{name}:2: {line.strip()}"]


def test_a_check_whose_tool_is_missing_fails_and_says_how_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not check.passes("formatter", [str(tmp_path / "formatter")], {}, str(tmp_path))
    assert "is not installed. Run `make check`" in capsys.readouterr().out


def test_no_line_of_a_template_is_too_long() -> None:
    assert check.our_templates(ROOT)
    assert check.long_template_lines(ROOT) == []


def test_a_long_line_of_a_template_is_found_and_what_others_wrote_is_left_out(tmp_path: Path) -> None:
    for folder in ("templates", ".venv/templates"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "page.html").write_text(f"<p>{'é' * 113}</p>\n<p>{'é' * 114}</p>\n")
    assert check.long_template_lines(tmp_path) == [f"templates/page.html:2: <p>{'é' * 114}</p>"]


@pytest.mark.parametrize(
    "wrong",
    ["<p class=hint>Text</p>\n", "<ul>\n    <li>One\n</ul>\n", "<div><p>Text</p><p>Text</p></div>\n"],
    ids=["attribute without quotes", "element left open", "two elements on a line"],
)
def test_the_formatter_refuses(tmp_path: Path, wrong: str) -> None:
    formatter = [str(ROOT / ".venv" / "bin" / "djangofmt"), "--check"]
    page = tmp_path / "page.html"
    page.write_text("<p>Text</p>\n")
    assert programs.run([*formatter, str(page)], programs.clean_environment()).returncode == 0
    page.write_text(wrong)
    assert programs.run([*formatter, str(page)], programs.clean_environment()).returncode != 0


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_package_is_pinned_exactly_and_has_a_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    assert len(entries) > 10
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ ", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_console_script_equals_manage_py() -> None:
    script = ROOT / ".venv" / "bin" / "sessionadmin"
    if not script.exists():
        pytest.skip("the project is not installed (run `make test`)")
    environment = programs.production()
    by_script = programs.run([str(script), "help", "--commands"], environment)
    by_file = programs.run([*programs.MANAGE, "help", "--commands"], environment)
    assert "serve" in by_script.stdout.split()
    assert by_script.stdout == by_file.stdout


def test_the_example_environment_lists_every_setting_and_no_other() -> None:
    read = {"DJANGO_SETTINGS_MODULE"}
    for path in sorted((ROOT / "sessionadmin" / "settings").glob("*.py")):
        if path.name != "test.py":
            read |= set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', path.read_text()))
    for path in sorted((ROOT / "sessions_app" / "management" / "commands").glob("*.py")):
        read |= set(re.findall(r'\benviron\.get\(\s*"([A-Z_]+)"', path.read_text()))
    listed = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    assert listed == read


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"SECRET_KEY": "a" * 80}, "SECRET_KEY"),
        ({"SECRET_KEY": "django-insecure-" + "0123456789abcdef" * 4}, "SECRET_KEY"),
        ({"DEBUG": "True"}, "DEBUG"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
    ],
)
def test_production_refuses_to_start_and_names_what_is_wrong(tmp_path: Path, wrong: dict[str, str], named: str) -> None:
    result = programs.run(CHECK_DEPLOY, programs.production(**wrong), tmp_path)
    assert result.returncode != 0
    assert named in result.stderr.strip().splitlines()[-1]


def test_a_forgotten_settings_module_means_production(tmp_path: Path) -> None:
    result = programs.run([*programs.MANAGE, "check"], programs.clean_environment(), tmp_path)
    assert result.returncode != 0
    assert "SECRET_KEY is missing or weak" in result.stderr


def test_production_with_the_documented_minimum_passes_every_check(tmp_path: Path) -> None:
    result = programs.run(CHECK_DEPLOY, programs.production(VAR_DIR=str(tmp_path)), tmp_path)
    assert result.returncode == 0, result.stderr


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET_KEY=short\nALLOWED_HOSTS=*\n")
    from_file = {key: value for key, value in programs.production().items() if key != "ALLOWED_HOSTS"}
    assert "ALLOWED_HOSTS" in programs.run(CHECK_DEPLOY, from_file, tmp_path).stderr
    assert programs.run(CHECK_DEPLOY, programs.production(VAR_DIR=str(tmp_path)), tmp_path).returncode == 0


@pytest.mark.postgres_only
def test_database_url_alone_moves_everything_to_postgresql(tmp_path: Path) -> None:
    import psycopg  # noqa: PLC0415 - not needed where only SQLite is tested

    server = os.environ["TEST_DATABASE_URL"].rsplit("/", 1)[0]
    database = f"moved_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as administration:
        administration.execute(f'CREATE DATABASE "{database}"')
        try:
            _serves_a_page_from(f"{server}/{database}", tmp_path)
        finally:
            administration.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def _serves_a_page_from(database_url: str, tmp_path: Path) -> None:
    environment = programs.production(
        DATABASE_URL=database_url,
        VAR_DIR=str(tmp_path),
        STATIC_ROOT=str(tmp_path / "static"),
        ALLOWED_HOSTS="127.0.0.1",
    )
    for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--no-input", "--verbosity", "0"]):
        result = programs.run([*programs.MANAGE, *command], environment)
        assert result.returncode == 0, result.stderr
    port = programs.free_port()
    serve = [*programs.MANAGE, "serve", "--port", str(port)]
    with programs.serving(serve, environment, port, tmp_path / "out") as running:
        assert running.get("/healthz") == (200, "ok")
        assert running.get(reverse("login"))[0] == 301  # to HTTPS
        status, page = running.get(reverse("login"), X_Forwarded_Proto="https")
        assert status == 200, running.printed()
        assert "csrfmiddlewaretoken" in page
    assert list(tmp_path.rglob("*.sqlite3")) == []


def test_nothing_that_git_ignores_is_committed() -> None:
    inside = subprocess.run(["git", "ls-files", "-ci", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if inside.returncode != 0:
        pytest.skip("not a git checkout")
    assert inside.stdout == ""
