"""The benchmark runs from one end to the other, in its smallest size, with whatever peers are installed, so that it
does not rot. No figure is looked at: only that there is one for each question."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import serving
from benchmarks.report import table
from benchmarks.timing import contest

ROOT = Path(__file__).resolve().parents[2]
WRK = """Running 10s test @ http://127.0.0.1:1/activity/
  Latency Distribution
     50%  900.00us
     75%   40.10ms
     99%    1.20s
  4000 requests in 10.00s, 100.00MB read
Requests/sec:    400.25
"""


@pytest.mark.sqlite_only
def test_the_benchmark_answers_every_question(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # as folders of a checkout are
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--size", "tiny", "--only", "sqlite", "--directory", str(tmp_path)],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith(("BENCH_", "DJANGO_", "TEST_"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "result-tiny.json").read_text())["sqlite"]
    asked = {one["question"] for one in result["pages"]}
    assert {"log, first page", "log, deep page", "log, user + 6 months", "summary of a year"} <= asked
    assert {f"log, keyword: {kind}" for kind in ("rare", "middling", "common", "none", "worst")} <= asked
    assert {"/sessions/ by user", "/sessions/ by -user, last page", "/logins/ by ip"} <= asked
    assert all(one["median"] > 0 for one in result["pages"])
    assert result["csv"][0]["rows"] >= 2000
    assert result["record"]["entries_a_second"] > 0
    assert result["sealing"]["entries"] >= 2000
    assert result["weights"]["/activity/?period=1y"]["html_gzip"] > 2_000
    assert "| log, first page | SessionAdmin |" in done.stdout
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_what_wrk_says_is_read_in_milliseconds() -> None:
    assert serving.read(WRK) == {"requests_a_second": 400.25, "p50_ms": 0.9, "p99_ms": 1200.0}


@pytest.mark.parametrize("said", [WRK + "  Non-2xx or 3xx responses: 12\n", "unable to connect"])
def test_refused_pages_are_no_result(said: str) -> None:
    with pytest.raises(RuntimeError):
        serving.read(said)


def test_contestants_are_asked_in_turn_and_compared_with_the_first() -> None:
    asked: list[str] = []
    found = contest("question", {"ours": lambda: asked.append("ours"), "theirs": lambda: asked.append("theirs")}, 3)
    assert asked == ["ours", "theirs"] * 4  # the first time does not count
    assert [(one.who, one.rounds) for one in found] == [("ours", 3), ("theirs", 3)]
    assert found[0].ratio == 1


def test_a_page_that_is_refused_stops_the_benchmark() -> None:
    class Refusal:
        status_code = 403

    with pytest.raises(RuntimeError, match="ours answered 403"):
        contest("question", {"ours": Refusal}, 1)


def test_missing_peers_are_named_in_the_report() -> None:
    result: dict[str, Any] = {
        "versions": {"database": "sqlite 3", "python": "3", "django": "5", "missing_peers": ["allauth"]},
        "pages": [],
        "csv": [],
        "weights": {},
        "record": {"processes": 4, "entries_a_second": 1},
        "sealing": {"entries": 10_000, "seconds_for_10000": 0.3, "processor_seconds_for_10000": 0.2},
        "serving": None,
        "bytes": 1,
        "minutes": 1,
    }
    assert "Not installed, so not measured: allauth." in table({"sqlite": result})
