"""`make test` reports every test that failed, broke off or was skipped."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from scripts import test as make_test

JUNIT = """<testsuites><testsuite>
  <testcase name="good"/>
  <testcase name="bad"><failure message="no"/></testcase>
  <testcase name="broken"><error message="no"/></testcase>
  <testcase name="left out"><skipped type="pytest.skip" message="chromium is not installed"/></testcase>
  <testcase name="known"><skipped type="pytest.xfail" message="later"/></testcase>
</testsuite></testsuites>"""


def test_failures_errors_and_skips_are_counted_apart(tmp_path: Path) -> None:
    summary = tmp_path / "results.xml"
    summary.write_text(JUNIT)
    result = make_test.read_summary("SQLite", summary)
    assert (result.passed, result.failed, result.skipped) == (2, 2, {"chromium is not installed": 1})


def test_the_last_line_is_the_sum_of_all_runs(capsys: pytest.CaptureFixture[str]) -> None:
    results = [make_test.Result("SQLite", passed=3), make_test.Result("PostgreSQL", passed=2, failed=1)]
    assert make_test.report(results, []) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 1 failed"


def test_what_was_skipped_is_said_at_the_end_and_passes_on_a_persons_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    results = [make_test.Result("SQLite", passed=3, skipped={"chromium is not installed": 2})]
    assert make_test.report(results, ["NOT RUN: all tests on PostgreSQL."]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "!! NOT RUN: all tests on PostgreSQL.",
        "!! SKIPPED on SQLite: 2 x chromium is not installed",
        "3 passed, 0 failed",
    ]


PLAN = """
import pathlib, pytest
def test_good(): pass
def test_bad(): assert 0
@pytest.mark.parametrize("text", ["a b", "c::d/é"])
def test_only_the_second_time(text):
    seen = pathlib.Path(__file__).with_name(f"seen-{len(text)}")
    was_there = seen.exists()
    seen.touch()
    assert was_there
"""


def test_a_failure_is_run_once_more_alone_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real pytest: what passes alone counts as passed, and what fails again as failed."""
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_plan.py").write_text(PLAN)
    monkeypatch.setattr(make_test, "ROOT", tmp_path)
    result = make_test.run("SQLite", "not slow", None, tmp_path / "scratch", ["tests"])
    assert (result.passed, result.failed) == (3, 1)
    assert [test.partition("[")[0] for test in result.passed_alone] == [
        "tests/test_plan.py::test_only_the_second_time"
    ] * 2
    assert make_test.report([result], []) == 1
    assert "!! UNSTEADY on SQLite: tests/test_plan.py::test_only_the_second_time[a b]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("skipped", "loud"), [({"chromium is not installed": 2}, []), ({}, ["NOT RUN: all tests on PostgreSQL."])]
)
def test_on_a_build_machine_nothing_may_be_left_out(
    monkeypatch: pytest.MonkeyPatch, skipped: dict[str, int], loud: list[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    assert make_test.report([make_test.Result("SQLite", passed=3, skipped=skipped)], loud) == 1


def test_what_a_silent_server_on_the_internet_left_out_is_told_and_fails_nobody(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    why = f"{make_test.NOT_REACHED}npm could not fetch a package"
    assert make_test.report([make_test.Result("SQLite", passed=3, skipped={why: 1})], []) == 0
    assert f"!! SKIPPED on SQLite: 1 x {why}" in capsys.readouterr().out


def test_only_a_test_that_knows_no_database_runs_once(request: pytest.FixtureRequest) -> None:
    """pytest-django closes the database to this one, so that it cannot differ between SQLite and PostgreSQL."""
    assert request.node.get_closest_marker("no_database")
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        User.objects.exists()


def test_a_test_that_knows_the_database_runs_on_each(request: pytest.FixtureRequest, alice: User) -> None:
    assert not request.node.get_closest_marker("no_database")


@pytest.mark.postgres_only
def test_a_test_that_needs_postgresql_runs_there(request: pytest.FixtureRequest) -> None:
    assert not request.node.get_closest_marker("no_database")


def test_single_files_are_run_without_further_processes() -> None:
    for few in (["tests/privileged/test_lock.py"], ["-x", "tests/privileged/test_lock.py::test_it"]):
        assert make_test.workers(few) == "0", few
    for many in ([], ["-k", "lock"], ["tests/privileged"]):
        assert make_test.workers(many) == make_test.WORKERS, many


def test_make_hands_its_arguments_on() -> None:
    command = ["make", "--dry-run", "test", "ARGS=tests/logins -k expired"]
    shown = subprocess.run(command, cwd=make_test.ROOT, check=True, capture_output=True, text=True).stdout
    assert shown.splitlines()[-1] == ".venv/bin/python -m scripts.test tests/logins -k expired"


def test_no_test_at_all_is_no_success() -> None:
    assert make_test.report([make_test.Result("SQLite")], []) == 1


def test_a_run_that_broke_off_counts_as_failed(tmp_path: Path) -> None:
    result = make_test.run("SQLite", "postgres_only", None, tmp_path / "run", ["--no-such-option"])
    assert (result.passed, result.failed) == (0, 1)
