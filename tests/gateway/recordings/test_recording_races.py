"""Two workers at one recording, a gateway that still writes to one that is being closed, and what the check of the
files says when there are none."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from sessions_app.gateway.recordings import assemble, storage
from sessions_app.gateway.recordings.models import Recording, RecordingChunk
from tests.support.recordings import add, end, make_cast, make_recording, make_running

pytestmark = pytest.mark.django_db(transaction=True)

PUT = storage.put


def shown(text: str, recording: Recording) -> None:
    """Add one more piece to the recording."""
    cast = make_cast()
    cast.output(text.encode())
    add(recording, cast)


def content(recording: Recording) -> bytes:
    recording.refresh_from_db()
    with storage.storage().open(recording.path) as file:
        return bytes(file.read())


def test_a_worker_that_was_overtaken_takes_nothing_from_the_one_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It took longer than its claim lasts; the other has begun and not read anything yet."""
    recording = make_running()
    shown("evidence", recording)
    end(recording)

    def slow(name: str, file: Any) -> tuple[str, int, str]:
        Recording.objects.filter(pk=recording.pk).update(closing_at=timezone.now())
        return PUT(name, file)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "put", slow)
        assert not assemble.close(recording.pk)
    assert recording.chunks.count() == 1
    Recording.objects.filter(pk=recording.pk).update(closing_at=None)
    assert assemble.close(recording.pk)
    assert b"evidence" in content(recording)


def test_a_worker_with_a_slow_storage_keeps_its_claim_and_one_that_was_killed_keeps_nobody_away_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording, other = make_running(), make_running()
    shown("evidence", recording)
    end(recording)
    seen: list[Any] = []

    def slow(name: str, file: Any) -> tuple[str, int, str]:
        began = Recording.objects.get(pk=recording.pk).closing_at
        while (now := Recording.objects.get(pk=recording.pk).closing_at) == began:
            time.sleep(0.01)
        seen.append((began, now))
        return PUT(name, file)

    monkeypatch.setattr(assemble, "RENEW_EVERY", 0.05)
    monkeypatch.setattr(storage, "put", slow)
    assert assemble.close(recording.pk)
    assert seen[0][0] < seen[0][1]
    assert b"evidence" in content(recording)
    assert Recording.objects.get(pk=other.pk).closing_at is None
    assert assemble.CLAIMED_FOR.total_seconds() <= 30


def test_a_piece_that_comes_while_the_file_is_made_is_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = make_running()
    shown("first", recording)
    end(recording)

    def slow(name: str, file: Any) -> tuple[str, int, str]:
        shown("late", recording)
        return PUT(name, file)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "put", slow)
        assert not assemble.close(recording.pk)
    assert assemble.to_close(timezone.now()) == [recording.pk]
    assert assemble.close(recording.pk)
    assert b"late" in content(recording)
    assert not RecordingChunk.objects.exists()


def test_a_piece_that_had_to_wait_for_the_end_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway saw a recording that runs, and comes to write when it is closed."""
    recording = make_running()
    shown("first", recording)
    end(recording)
    create = RecordingChunk.objects.bulk_create

    def wait(rows: Any, **options: Any) -> Any:
        closing.start()
        if connections["default"].vendor == "postgresql":
            closing.join()  # on SQLite it waits for us instead
        return create(rows, **options)

    def closed() -> None:
        try:
            assemble.close(recording.pk)
        finally:
            connections.close_all()

    closing = threading.Thread(target=closed)
    with monkeypatch.context() as patched:
        patched.setattr(RecordingChunk.objects, "bulk_create", wait)
        shown("late", recording)
    closing.join()
    assemble.close(recording.pk)
    assert (b"late" in content(recording)) == (connections["default"].vendor == "sqlite")
    assert not RecordingChunk.objects.exists()


def test_the_check_of_the_files_says_which_it_did_not_compare(capsys: pytest.CaptureFixture[str]) -> None:
    running, removed, good = make_running(), make_recording(), make_recording()
    Recording.objects.filter(pk=removed.pk).update(removed_at=timezone.now(), path="")
    call_command("verify_recordings", str(running.pk), str(removed.pk), str(good.pk))
    said = capsys.readouterr().out
    assert f"{running} is not closed yet" in said
    assert f"{removed} was removed" in said
    assert "1 files are as they were" in said
    with pytest.raises(CommandError, match=f"no recording {good.pk + 1}"):
        call_command("verify_recordings", str(good.pk), str(good.pk + 1))


def test_a_recording_that_names_no_file_any_more_is_not_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    good = make_recording(typed="hunter2")
    Recording.objects.filter(pk=good.pk).update(path="", input_path="")
    with pytest.raises(CommandError, match="2 of 2 files"):
        call_command("verify_recordings")
    assert capsys.readouterr().out.count("is not named any more") == 2


def test_what_is_removed_while_the_check_runs_is_no_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = make_recording()

    def remove(name: str) -> str:
        Recording.objects.filter(pk=gone.pk).update(removed_at=timezone.now(), path="")
        raise FileNotFoundError(name)

    monkeypatch.setattr("sessions_app.gateway.recordings.storage.digest_of", remove)
    call_command("verify_recordings")
    assert "0 files are as they were" in capsys.readouterr().out
