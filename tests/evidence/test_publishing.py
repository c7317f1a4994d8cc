"""Checkpoints leave the database by file and by mail; what fails is noted, and stops nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from activity.models import Checkpoint
from activity.seal import checkpoints
from activity.seal.sealing import Sealing
from sessions_app.evidence import keys, publishing
from tests.support.entries import make_entry

pytestmark = pytest.mark.django_db


def grow() -> Checkpoint:
    make_entry()
    Sealing("test").seal()
    checkpoints.make()
    return Checkpoint.objects.latest("pk")


def test_a_file_gets_each_checkpoint_once(settings: Any, tmp_path: Path) -> None:
    settings.EVIDENCE_CHECKPOINT_FILE = str(tmp_path / "notes")
    publishing.publish()  # there is none yet
    first = grow()
    publishing.publish()
    publishing.publish()
    second = grow()
    publishing.publish()
    assert (tmp_path / "notes").read_text() == f"{first.note}\n{second.note}"


def test_a_file_can_be_replaced_and_a_directory_gets_one_file_for_each(settings: Any, tmp_path: Path) -> None:
    settings.EVIDENCE_CHECKPOINT_FILE = str(tmp_path / "newest")
    settings.EVIDENCE_CHECKPOINT_FILE_MODE = "replace"
    for _ in range(2):
        note = grow().note
        publishing.publish()
    assert [each.name for each in tmp_path.iterdir()] == ["newest"]
    assert (tmp_path / "newest").read_text() == note
    directory = tmp_path / "all"
    directory.mkdir()
    settings.EVIDENCE_CHECKPOINT_FILE = str(directory)
    made = [grow() for _ in range(1)]
    publishing.publish()
    assert {each.name: each.read_text() for each in directory.iterdir()} == {
        f"checkpoint-{one.size:012d}": one.note for one in made
    }


def test_a_mail_holds_checkpoint_and_keys_and_comes_once_a_day(settings: Any) -> None:
    settings.EVIDENCE_CHECKPOINT_MAIL = ["auditor@example.com"]
    note = grow().note
    publishing.publish()
    grow()
    publishing.publish()
    (sent,) = mail.outbox
    assert sent.to == ["auditor@example.com"]
    assert keys.vkey(keys.active()) in sent.body
    assert note in sent.body
    publishing.publish(timezone.now() + dt.timedelta(hours=25))
    assert len(mail.outbox) == 2


def test_what_fails_is_noted_until_it_works_again(settings: Any, tmp_path: Path) -> None:
    settings.EVIDENCE_CHECKPOINT_FILE = str(tmp_path / "absent" / "notes")
    grow()
    publishing.publish()
    (failing,) = publishing.failing()
    assert "No such file" in failing.problem
    (tmp_path / "absent").mkdir()
    publishing.publish(timezone.now() + publishing.AGAIN_AFTER)
    assert publishing.failing() == []


def test_a_mail_server_that_refuses_is_asked_again_after_a_minute_only(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVIDENCE_CHECKPOINT_MAIL = ["auditor@example.com"]
    tried = []

    def refuse(self: mail.EmailMessage, fail_silently: bool = False) -> int:
        tried.append(self)
        raise ConnectionRefusedError("refused")

    grow()
    now = timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr(mail.EmailMessage, "send", refuse)
        for seconds in (0, 5, 59):
            publishing.publish(now + dt.timedelta(seconds=seconds))
        assert len(tried) == 1
        publishing.publish(now + dt.timedelta(seconds=61))
        assert len(tried) == 2
    publishing.publish(now + dt.timedelta(seconds=130))
    assert len(mail.outbox) == 1
    assert publishing.failing() == []
