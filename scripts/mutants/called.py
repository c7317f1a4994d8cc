"""A plugin of pytest that writes down which functions of the product each test calls, and how long it takes.

    pytest -p scripts.mutants.called        with CALLED_INTO=folder, where each process writes a file of its own

Threads are followed, other processes are not. It looks at calls, not at lines, so that the tests take little longer.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

ROOT = str(Path(__file__).resolve().parent.parent.parent) + os.sep
PRODUCT = ("activity" + os.sep, "sessionadmin" + os.sep, "sessions_app" + os.sep)

_names: dict[CodeType, str] = {}  # of every function met so far; empty for those of others
_called: set[str] = set()
_found: dict[str, dict[str, Any]] = {}


def _note(frame: FrameType, event: str, argument: object) -> None:
    code = frame.f_code
    name = _names.get(code)
    if name is None:
        name = _names[code] = _name_of(code)
    if name:
        _called.add(name)


def _name_of(code: CodeType) -> str:
    path = code.co_filename.removeprefix(ROOT)
    return f"{path}::{code.co_qualname}" if path.startswith(PRODUCT) else ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Follow one test with its fixtures."""
    _called.clear()
    threading.settrace(_note)
    sys.settrace(_note)
    began = time.monotonic()
    try:
        return (yield)
    finally:
        sys.settrace(None)
        threading.settrace(None)
        _found[item.nodeid] = {"seconds": round(time.monotonic() - began, 2), "calls": sorted(_called)}


def pytest_sessionfinish() -> None:
    """Write what was found. The process that only distributes tests has found nothing."""
    if _found:
        into = Path(os.environ["CALLED_INTO"])
        (into / f"called-{os.getpid()}.json").write_text(json.dumps(_found), encoding="utf-8")
