"""A recording while it runs: its row, and pieces of whole lines that are added twice a second.

The gateway calls this through its store; pages read the pieces for the live view.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from cryptography.fernet import Fernet
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity.text import plain
from sessions_app.gateway.recordings.models import Recording, RecordingChunk
from sessions_app.sealing import seal

TRUNCATED = "The recording reached "  # how the marker begins that says it may grow no further


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """What one recording gained: whole lines, and whole lines of what was typed (decrypted here only)."""

    recording_id: int
    number: int
    data: bytes = dataclasses.field(repr=False)
    typed: bytes = dataclasses.field(default=b"", repr=False)


def begin(*, session_id: int, connection_id: int, cols: int, rows: int, title: str, keeps_typed: bool) -> Recording:
    """Create a new recording. Raises NoKey when what is typed cannot be encrypted; then nothing is recorded."""
    return Recording.objects.create(
        session_id=session_id,
        connection_id=connection_id,
        title=plain(title, 200),
        width=cols,
        height=rows,
        input_key=seal(Fernet.generate_key()) if keeps_typed else "",
    )


@sensitive_variables()
def append(pieces: Sequence[Piece]) -> None:
    """Add pieces of many recordings in one transaction. Raises DatabaseError and SealingError.

    A piece that exists already stays as it is, so that a call whose answer was lost can be repeated. A piece of a
    recording that was closed meanwhile is left out.
    """
    rows = {
        (piece.recording_id, piece.number): RecordingChunk(
            recording_id=piece.recording_id,
            number=piece.number,
            data=piece.data,
            typed=seal(piece.typed) if piece.typed else "",
        )
        for piece in pieces
    }
    with transaction.atomic():
        running = set(
            Recording.objects.filter(pk__in={key[0] for key in rows}, ended_at=None).values_list("pk", flat=True)
        )
        RecordingChunk.objects.bulk_create(
            [row for key, row in rows.items() if key[0] in running], ignore_conflicts=True
        )
        # One that was being closed had us wait, and is closed by now.
        RecordingChunk.objects.filter(recording__in=running, recording__ended_at__isnull=False).delete()


def written(recording_ids: Sequence[int]) -> None:
    """Note that the gateway has written the last piece, so that a worker may make the file."""
    Recording.objects.filter(pk__in=recording_ids, written_at=None).update(written_at=timezone.now())
