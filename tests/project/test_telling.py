"""What takes long at a start says so as it happens (scripts/install.py)."""

from __future__ import annotations

import sys
import time

import pytest

from scripts import install

SLOW = "import time; print('noise'); print('Collecting django==5.2', flush=True); time.sleep(0.5)"
FAILING = "import sys; print('Collecting django==5.2'); sys.exit('no network')"


def test_a_line_comes_every_few_seconds_at_the_latest() -> None:
    assert install.EVERY < 5


def test_work_in_this_process_is_told_while_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "EVERY", 0.05)
    with install.telling("Preparing the database"):
        time.sleep(0.2)
    first, *more = capsys.readouterr().out.splitlines()
    assert first == "Preparing the database ..."
    assert more
    assert set(more) == {"  still at it after 0 s"}


def test_pip_is_told_with_what_it_is_at(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(install, "EVERY", 0.1)
    assert install.run_telling("Installing", [sys.executable, "-c", SLOW]) == 0
    shown = capsys.readouterr().out
    assert "  still at it after 0 s: Collecting django==5.2" in shown
    assert "noise" not in shown


def test_what_pip_printed_is_shown_when_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    assert install.run_telling("Installing", [sys.executable, "-c", FAILING]) == 1
    said = capfd.readouterr().err
    assert "Collecting django==5.2" in said
    assert "no network" in said
