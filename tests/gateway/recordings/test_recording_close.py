"""A recording that has ended becomes one file, which is hashed, searchable, and removed when its time is over.

A worker that dies at any step is replaced by another one, which does the work again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.gateway.models import ConnectionEnd
from sessions_app.gateway.recordings import assemble, retention
from sessions_app.gateway.recordings.checks import check_recordings_storage
from sessions_app.gateway.recordings.maintenance import RecordingMaintenance
from sessions_app.gateway.recordings.models import Recording, RecordingChunk, RecordingText
from sessions_app.gateway.recordings.storage import storage
from sessions_app.sealing import UnsealError
from tests.support.builders import make_profile, make_session
from tests.support.recordings import add, end, make_cast, make_recording, make_running

pytestmark = pytest.mark.django_db


def read(recording: Recording) -> bytes:
    with storage().open(recording.path) as file:
        return bytes(file.read())


def two_pieces() -> tuple[Recording, bytes]:
    """Return a recording that still runs, and the bytes that it holds so far."""
    recording = make_running()
    cast = make_cast()
    cast.output(b"$ id\r\n")
    add(recording, cast)
    cast.output(b"uid=0(root)\r\n")
    add(recording, cast)
    return recording, b"".join(bytes(chunk.data) for chunk in recording.chunks.order_by("number"))


def test_the_pieces_become_one_file_that_is_hashed_and_nobody_elses_to_read() -> None:
    recording, whole = two_pieces()
    end(recording)
    assert assemble.to_close(timezone.now()) == [recording.pk]
    assert assemble.close(recording.pk)
    recording.refresh_from_db()
    assert read(recording) == whole
    assert recording.sha256 == hashlib.sha256(whole).hexdigest()
    assert recording.size == len(whole)
    assert recording.is_complete
    assert not recording.is_truncated
    assert not RecordingChunk.objects.exists()
    assert [line.text for line in recording.lines.order_by("at", "pk")] == ["$ id", "uid=0(root)"]
    path = Path(storage().path(recording.path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entry = LogEntry.objects.get(verb=Verb.RECORDING_CLOSED)
    assert entry.details == {"recording": recording.pk, "size": len(whole), "sha256": recording.sha256}
    assert (entry.user, entry.target_id) == (recording.session.user, recording.session_id)
    assert not assemble.close(recording.pk)
    assert assemble.to_close(timezone.now()) == []
    assert LogEntry.objects.filter(verb=Verb.RECORDING_CLOSED).count() == 1


@pytest.mark.parametrize(
    ("reason", "shown", "stored"),
    [
        (ConnectionEnd.FAILED, b"", False),
        (ConnectionEnd.FAILED, b"hello", True),
        (ConnectionEnd.CLOSED, b"", True),  # somebody was in, and nothing was shown
    ],
)
def test_a_connection_that_did_not_come_to_be_leaves_no_empty_recording(
    reason: ConnectionEnd, shown: bytes, stored: bool
) -> None:
    recording, other = make_running(), make_running()
    for one in (recording, other):
        cast = make_cast()
        cast.output(shown if one == recording else b"other")
        add(one, cast)
    end(recording, end_reason=reason)
    assert assemble.close(recording.pk) == stored
    assert Recording.objects.filter(pk=recording.pk).exists() == stored
    assert Recording.objects.get(pk=other.pk).chunks.exists()


def test_a_recording_that_goes_on_is_left_alone() -> None:
    two_pieces()
    assert assemble.to_close(timezone.now()) == []


def test_one_whose_gateway_died_is_closed_with_what_there_is_and_says_so() -> None:
    recording, whole = two_pieces()
    now = timezone.now()
    recording.connection.ended_at = now
    recording.connection.end_reason = ConnectionEnd.LOST
    recording.connection.save(update_fields=["ended_at", "end_reason"])
    assert assemble.to_close(now) == [recording.pk]
    assemble.close(recording.pk)
    recording.refresh_from_db()
    assert not recording.is_complete
    assert read(recording) == whole


def test_one_whose_last_piece_never_came_is_closed_after_a_while() -> None:
    recording, _ = two_pieces()
    end(recording)
    Recording.objects.filter(pk=recording.pk).update(written_at=None)
    assert assemble.to_close(timezone.now()) == []
    assert assemble.to_close(timezone.now() + assemble.HANDED_OVER_AFTER * 2) == [recording.pk]


def test_closing_that_dies_half_way_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    recording, whole = two_pieces()
    end(recording)
    with monkeypatch.context() as patched:
        patched.setattr(RecordingText.objects, "bulk_create", lambda *rows, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            assemble.close(recording.pk)
    assert recording.chunks.count() == 2
    assert assemble.close(recording.pk)
    recording.refresh_from_db()
    assert read(recording) == whole
    directory = Path(storage().path(recording.path)).parent
    assert [path.name for path in directory.glob(f"{recording.pk}.cast*")] == [f"{recording.pk}.cast"]


def test_a_worker_that_was_killed_in_it_keeps_others_away_for_a_while_only() -> None:
    recording, _ = two_pieces()
    end(recording)
    now = timezone.now()
    Recording.objects.filter(pk=recording.pk).update(closing_at=now)
    assert assemble.to_close(now) == []
    assert not assemble.close(recording.pk)
    Recording.objects.filter(pk=recording.pk).update(closing_at=now - assemble.CLAIMED_FOR * 2)
    assert assemble.to_close(now) == [recording.pk]
    assert assemble.close(recording.pk)


def test_a_piece_that_comes_after_the_end_is_left_out() -> None:
    recording, _ = two_pieces()
    end(recording)
    assemble.close(recording.pk)
    late = make_cast()
    late.output(b"late")
    add(recording, late)
    assert not RecordingChunk.objects.exists()


def test_what_was_typed_is_sealed_in_the_database_and_in_its_file() -> None:
    recording = make_running(keeps_typed=True)
    cast = make_cast(keeps_typed=True)
    cast.typed(b"hunter2\r")
    cast.output(b"Password: ")
    add(recording, cast)
    assert "hunter2" not in recording.chunks.get().typed
    end(recording)
    assemble.close(recording.pk)
    recording.refresh_from_db()
    with storage().open(recording.input_path) as file:
        stored = file.read()
        file.seek(0)
        typed = list(assemble.typed_lines(recording, file))
    assert b"hunter2" not in stored
    assert hashlib.sha256(stored).hexdigest() == recording.input_sha256
    assert json.loads(typed[0])[2] == "hunter2\r"
    assert not recording.lines.filter(text__contains="hunter2").exists()


def typed_in(recording: Recording) -> list[str]:
    """Return what was typed, as an administrator downloads it."""
    recording.refresh_from_db()
    with storage().open(recording.input_path) as file:
        return [json.loads(line)[2] for line in assemble.typed_lines(recording, file)]


def test_what_was_typed_outlives_the_encryption_key_it_was_sealed_with(settings: Any) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    settings.ENCRYPTION_KEYS = [old]
    over = make_recording(typed="hunter2")
    running, cast = make_running(keeps_typed=True), make_cast(keeps_typed=True)
    cast.typed(b"before")
    add(running, cast)
    settings.ENCRYPTION_KEYS = [new, old]
    call_command("rotate_encryption")
    settings.ENCRYPTION_KEYS = [new]
    cast.typed(b"after")
    add(running, cast)
    end(running)
    assert assemble.close(running.pk)
    assert typed_in(over) == ["hunter2"]
    assert typed_in(running) == ["before", "after"]
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(UnsealError):
        typed_in(over)


def test_a_recording_cut_at_its_limit_says_so() -> None:
    recording = make_running()
    cast = make_cast(limit=200)
    cast.output(b"x" * 1000)
    add(recording, cast)
    end(recording)
    assemble.close(recording.pk)
    recording.refresh_from_db()
    assert recording.is_truncated


class Broken(FileSystemStorage):
    """A storage that refuses every file."""

    def _save(self, name: str, content: Any) -> str:
        raise OSError("no space left")


@pytest.fixture
def broken_storage(settings: Any) -> Iterator[None]:
    before = settings.STORAGES
    settings.STORAGES = before | {"recordings": {"BACKEND": f"{__name__}.Broken"}}
    yield
    settings.STORAGES = before


def test_a_storage_that_fails_loses_nothing_and_does_not_stop_the_others(
    settings: Any, broken_storage: None, caplog: pytest.LogCaptureFixture
) -> None:
    recording, _ = two_pieces()
    end(recording)
    keeper = RecordingMaintenance(threading.Event())
    assert keeper.close_those_over() == 0
    assert "could not be written" in caplog.text
    assert recording.chunks.count() == 2
    recording.refresh_from_db()
    assert recording.ended_at is None
    assert recording.closing_at is None


def test_the_keeper_closes_what_is_over() -> None:
    recording, _ = two_pieces()
    end(recording)
    keeper = RecordingMaintenance(threading.Event())
    assert keeper.close_those_over() == 1
    assert keeper.close_those_over() == 0


def test_recordings_go_when_their_profile_says_so_and_the_row_stays_as_evidence() -> None:
    kept_for_ever = make_recording(make_session(profile=make_profile("For ever")), days_ago=10_000)
    profile = make_profile("A week", recording_days=7)
    young = make_recording(make_session(profile=profile), days_ago=6)
    old = make_recording(make_session(profile=profile), days_ago=8)
    path = Path(storage().path(old.path))
    assert path.exists()
    keeper = RecordingMaintenance(threading.Event())
    assert keeper.remove_those_due() == 1
    assert not path.exists()
    old.refresh_from_db()
    assert old.removed_at is not None
    assert old.path == ""
    assert len(old.sha256) == 64
    assert not old.lines.exists()
    for recording in (kept_for_ever, young):
        assert Path(storage().path(recording.path)).exists()
    entry = LogEntry.objects.get(verb=Verb.RECORDING_REMOVED)
    assert entry.target_id == old.session_id
    assert entry.details["sha256"] == old.sha256
    assert keeper.remove_those_due() == 0


def test_a_removal_that_died_half_way_is_done_again() -> None:
    recording = make_recording(make_session(profile=make_profile("A day", recording_days=1)), days_ago=3)
    storage().delete(recording.path)
    (due,) = retention.due(timezone.now())
    assert retention.remove(due)
    assert not retention.remove(due)
    assert LogEntry.objects.filter(verb=Verb.RECORDING_REMOVED).count() == 1


def test_verify_recordings_finds_what_was_changed_and_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    good, changed, missing = make_recording(), make_recording(), make_recording()
    call_command("verify_recordings")
    assert "3 files are as they were" in capsys.readouterr().out
    with Path(storage().path(changed.path)).open("ab") as file:
        file.write(b'[9.0,"o","more"]\n')
    storage().delete(missing.path)
    with pytest.raises(CommandError, match="2 of 3 files"):
        call_command("verify_recordings")
    said = capsys.readouterr().out
    assert f"{changed}: " in said
    assert "was changed" in said
    assert "is missing" in said
    assert f"{good}: " not in said
    call_command("verify_recordings", good.pk)


def test_the_duration_is_that_of_the_last_event() -> None:
    recording = make_recording(None, (1.0, "a"), (90.5, "b"))
    assert recording.duration == dt.timedelta(seconds=90.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"BACKEND": "nowhere.Storage"},
        {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"no_such_option": 1}},
    ],
)
def test_a_storage_that_cannot_be_made_is_found_at_boot(settings: Any, wrong: dict[str, Any]) -> None:
    assert check_recordings_storage() == []
    settings.STORAGES = settings.STORAGES | {"recordings": wrong}
    (problem,) = check_recordings_storage()
    assert problem.id == "sessions_app.E030"
