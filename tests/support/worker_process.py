"""A real worker process, and the wait for what it does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.db import connection

from tests.support.machine import ROOT
from tests.support.ssh_scene import database_url


@contextlib.contextmanager
def worker(tmp_path: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker with the test database, and kill it at the end. `more` are variables of its environment."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
        "TEST_VAR_DIR": str(tmp_path),
        **more,
    }
    command = [sys.executable, str(ROOT / "manage.py"), "run_worker", "--interval", "0.1", "--threads", "2"]
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
