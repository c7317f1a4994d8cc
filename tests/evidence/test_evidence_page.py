"""The page Evidence, and the part of Health about the sealing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity import verify_sessionadmin
from activity.models import Checkpoint, SealFinding, SealState
from activity.seal import checkpoints
from activity.seal.sealing import Sealing
from sessions_app.evidence import keys
from sessions_app.worker.health.findings import Grade
from sessions_app.worker.health.sealing import sealing
from tests.support.entries import ago, make_entry
from tests.support.pages import streamed

pytestmark = pytest.mark.django_db


def seal() -> None:
    make_entry()
    Sealing("test").seal()
    checkpoints.make()


def test_an_auditor_reads_checkpoint_keys_and_findings(auditor: User, as_user: Callable[[User], Client]) -> None:
    page = as_user(auditor).get("/evidence/").content.decode()
    assert "There is none yet" in page
    seal()
    SealFinding.objects.create(kind="behind", entry_id=7, text="Entry 7 appeared behind the seal.")
    page = as_user(auditor).get("/evidence/").content.decode()
    assert keys.vkey(keys.active()).split("+")[1] in page
    assert Checkpoint.objects.latest("pk").note.splitlines()[2] in page.replace("&#x2B;", "+")
    assert "Entry 7 appeared behind the seal." in page


def test_the_verifier_is_the_file_that_the_console_uses(auditor: User, as_user: Callable[[User], Client]) -> None:
    sent = streamed(as_user(auditor).get("/evidence/verify_sessionadmin.py"))
    with open(verify_sessionadmin.__file__, "rb") as file:
        assert sent == file.read()


def test_health_says_what_is_wrong_with_the_sealing(settings: Any) -> None:
    seal()
    assert sealing().grade == Grade.OK
    settings.ENCRYPTION_KEYS, kept = [], settings.ENCRYPTION_KEYS
    assert "not signed" in sealing().text
    settings.ENCRYPTION_KEYS = kept
    SealState.objects.update(waiting_since=timezone.now() - dt.timedelta(hours=1), waiting_for="process 7")
    assert "process 7" in sealing().text
    SealState.objects.update(waiting_since=None)
    make_entry(at=ago(hours=1))
    Sealing("test").seal()
    make_entry(at=ago(hours=1))
    assert "are not sealed" in sealing().text
    SealState.objects.update(problem="Tile 0 is damaged.")
    assert (sealing().grade, sealing().text) == (Grade.ERROR, "Tile 0 is damaged.")
    SealFinding.objects.create(kind="behind", entry_id=7, text="Entry 7")
    assert "behind the seal" in sealing().text
