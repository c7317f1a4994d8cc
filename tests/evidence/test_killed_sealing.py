"""A real process that seals is killed in the middle of it, again and again: nothing is torn, lost or sealed twice."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from activity import log
from activity.models import LogEntry
from activity.seal import tree
from activity.verbs import Verb
from sessions_app.evidence import keys
from tests.support.programs import MANAGE
from tests.support.sealing import findings
from tests.support.ssh_scene import database_url
from tests.support.waiting import wait_until

ENTRIES = 30_000
KILLS = 6

pytestmark = pytest.mark.django_db(transaction=True)


def is_killed_while_it_seals(environment: dict[str, str]) -> bool:
    """Start `seal_log`, and kill it soon after it has begun to seal. Return False if it had ended by then."""
    before = tree.size()
    process = subprocess.Popen([*MANAGE, "seal_log"], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: tree.size() > before or process.poll() is not None)
        time.sleep(random.uniform(0, 0.1))  # noqa: S311 - a moment of a test
        return process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_seal_log_that_is_killed_at_random_moments_leaves_a_log_that_verifies(tmp_path: Path) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
        "TEST_VAR_DIR": str(tmp_path),
    }
    keys.ensure()
    log.record_all(log.draft(Verb.LOGIN, f"entry {number}") for number in range(ENTRIES))
    killed = sum(is_killed_while_it_seals(environment) for _ in range(KILLS))
    assert killed
    call_command("seal_log")
    assert tree.size() == LogEntry.objects.count()
    assert findings("--without-recordings") == []
