"""Make one file of a recording's pieces: write it, hash it, index its lines, and only then delete the pieces.

The process may die at any moment, and the work is done again: the file's name follows from the recording, its lines are
written again, and the row and the end of the pieces are one transaction.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import IO, Any

from cryptography.fernet import Fernet
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.verbs import Verb
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from sessions_app.gateway.recordings import lines, storage
from sessions_app.gateway.recordings.chunks import TRUNCATED
from sessions_app.gateway.recordings.models import Recording, RecordingChunk
from sessions_app.gateway.recordings.screen_text import ScreenLine, ScreenText
from sessions_app.sealing import unseal

logger = logging.getLogger(__name__)

CLAIMED_FOR = dt.timedelta(seconds=30)  # how long a worker that died while closing blocks the others
RENEW_EVERY = CLAIMED_FOR.total_seconds() / 3
# A gateway that is alive has handed everything over this long after the end of a connection.
HANDED_OVER_AFTER = dt.timedelta(seconds=30)
IN_MEMORY = 8 * 1024 * 1024  # bytes; a larger file is made on disk
CHUNKS_AT_ONCE = 50


def to_close(now: dt.datetime) -> list[int]:
    """Return recordings whose last piece is there, or will not come any more."""
    is_over = Q(written_at__isnull=False) | Q(connection__ended_at__lt=now - HANDED_OVER_AFTER)
    is_lost = Q(connection__end_reason=ConnectionEnd.LOST)
    is_free = Q(closing_at=None) | Q(closing_at__lt=now - CLAIMED_FOR)
    found = Recording.objects.filter(is_over | is_lost, is_free, ended_at=None)
    return list(found.order_by("pk").values_list("pk", flat=True)[:100])


def close(recording_id: int) -> bool:
    """Make the file of one recording. Return False when somebody else does or did, or when more came meanwhile.

    A recording that shows nothing, of a connection that was never made, is removed instead. Raises OSError,
    SealingError, DatabaseError and what the storage raises; then the pieces are still there.
    """
    now = timezone.now()
    free = Q(closing_at=None) | Q(closing_at__lt=now - CLAIMED_FOR)
    if not Recording.objects.filter(free, pk=recording_id, ended_at=None).update(closing_at=now):
        return False
    recording = Recording.objects.select_related("connection", "session__user").get(pk=recording_id)
    try:
        return _close(ClosingClaim(recording))
    except Exception:
        Recording.objects.filter(pk=recording_id, closing_at=recording.closing_at).update(closing_at=None)
        raise


def _close(claim: ClosingClaim) -> bool:
    recording = claim.recording
    with claim.renewed(), tempfile.SpooledTemporaryFile(IN_MEMORY) as cast:
        reading, count = _Reading(), 0
        for data in _pieces(recording):
            cast.write(data)
            reading.read(data)
            count += 1
        if reading.is_empty and _is_of_nothing(recording.connection):
            return _remove(recording)
        name, size, sha256 = storage.put(storage.cast_name(recording), cast)
        values = {
            "path": name,
            "size": size,
            "sha256": sha256,
            "duration": dt.timedelta(seconds=reading.seconds),
            "is_truncated": reading.is_truncated,
            "is_complete": recording.written_at is not None,
            "ended_at": min(recording.started_at + dt.timedelta(seconds=reading.seconds), timezone.now()),
            **_put_input(recording),
        }
        if not lines.replace(recording, reading.finish(), claim.keep):
            return False
    with transaction.atomic():
        # After the time of the claim somebody else may have taken over. The row is locked, so that no piece comes
        # between the last look and the end of the pieces.
        mine = Recording.objects.filter(pk=recording.pk, closing_at=recording.closing_at, ended_at=None)
        if mine.select_for_update().first() is None:
            return False
        if RecordingChunk.objects.filter(recording=recording).count() != count:
            mine.update(closing_at=None)
            return False
        mine.update(**values, closing_at=None)
        RecordingChunk.objects.filter(recording=recording).delete()
        _log_closing(recording, values)
    return True


def _log_closing(recording: Recording, values: Mapping[str, Any]) -> None:
    """Write the hashes of the files into the sealed log, so that nobody can change a file together with its row."""
    hashes = {key: values[key] for key in ("sha256", "input_sha256") if key in values}
    log.record(
        Verb.RECORDING_CLOSED,
        f"{recording} is closed; its file has {values['size']:,} bytes",
        user=recording.session.user,
        target=recording.session,
        details={"recording": recording.pk, "size": values["size"], **hashes},
    )


class ClosingClaim:
    """The right of one worker to close one recording.

    It is short, so that a worker that was killed does not block the others for long, and it is renewed for as long as a
    slow storage takes.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._lock = threading.Lock()

    def keep(self) -> bool:
        """Renew the claim. Return False when somebody else has it."""
        with self._lock:
            now = timezone.now()
            mine = Recording.objects.filter(pk=self.recording.pk, closing_at=self.recording.closing_at, ended_at=None)
            if not mine.update(closing_at=now):
                return False
            self.recording.closing_at = now
            return True

    @contextlib.contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the claim in a thread until the block ends. The renewal ends with the process, as it must."""
        done = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(done,), name="recording-claim", daemon=True)
        renewal.start()
        try:
            yield
        finally:
            done.set()
            renewal.join()

    def _renew(self, done: threading.Event) -> None:
        while not done.wait(RENEW_EVERY):
            try:
                if not self.keep():
                    break
            except (DatabaseError, InterfaceError):
                logger.exception("The claim on recording %s could not be renewed; trying again", self.recording.pk)
            finally:
                connection.close()  # each thread has its own connection


def _is_of_nothing(connection: GatewayConnection) -> bool:
    return connection.end_reason == ConnectionEnd.FAILED and not connection.bytes_in and not connection.bytes_out


def _remove(recording: Recording) -> bool:
    """Delete a recording that shows nothing, of a connection that nobody got. The connection's row says why."""
    Recording.objects.filter(pk=recording.pk, closing_at=recording.closing_at, ended_at=None).delete()
    return False


def _pieces(recording: Recording) -> Iterator[bytes]:
    chunks = RecordingChunk.objects.filter(recording=recording).order_by("number")
    for data in chunks.values_list("data", flat=True).iterator(chunk_size=CHUNKS_AT_ONCE):
        yield bytes(data)


@sensitive_variables()
def _put_input(recording: Recording) -> dict[str, str]:
    """Write what was typed, each piece encrypted on a line of its own; nothing when it was not recorded."""
    typed = RecordingChunk.objects.filter(recording=recording).exclude(typed="").order_by("number")
    if not recording.input_key or not typed.exists():
        return {}
    key = Fernet(unseal(recording.input_key))
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as sealed:
        for text in typed.values_list("typed", flat=True).iterator(chunk_size=CHUNKS_AT_ONCE):
            sealed.write(key.encrypt(unseal(text)) + b"\n")
        name, _, sha256 = storage.put(storage.input_name(recording), sealed)
    return {"input_path": name, "input_sha256": sha256}


@sensitive_variables()
def typed_lines(recording: Recording, file: IO[bytes]) -> Iterator[bytes]:
    """Yield what was typed, decrypted, as lines of asciicast.

    Raises SealingError, and InvalidToken when the file was changed.
    """
    key = Fernet(unseal(recording.input_key))
    for line in file:
        yield key.decrypt(line.strip())


class _Reading:
    """What the row says of a recording, collected while its lines are read."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.is_truncated = False
        self.is_empty = True  # but for the header
        self._screen = ScreenText()
        self._lines: list[ScreenLine] = []

    def read(self, data: bytes) -> None:
        """Read events of the recording; `data` holds one in each line, and no line is incomplete."""
        for line in data.splitlines():
            event = json.loads(line)
            if not isinstance(event, list):
                self._screen.resize(event["width"])
                continue
            at, code, text = event
            self.is_empty = False
            self.seconds = max(self.seconds, at)
            if code == "o":
                self._lines.extend(self._screen.feed(at, text))
            elif code == "r":
                self._screen.resize(int(text.split("x")[0]))
            elif code == "m" and text.startswith(TRUNCATED):
                self.is_truncated = True

    def finish(self) -> list[ScreenLine]:
        """Return every line that was on the screen."""
        self._lines.extend(self._screen.finish())
        return self._lines
