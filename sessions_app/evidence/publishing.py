"""Publish checkpoints outside of the database: to a file or a directory, by mail, and to an authority that time-stamps.

A SIEM gets them by siem/.

What fails is noted for Health and tried again; sealing never waits for it.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone

from activity.seal import checkpoints
from activity.seal.models import Checkpoint
from sessions_app.evidence import keys, timestamps
from sessions_app.evidence.models import Publication

# ValueError: an address that cannot stand in a mail
FAILURES = (OSError, smtplib.SMTPException, ValueError, timestamps.TimestampError)
APPEND, REPLACE = "append", "replace"
AGAIN_AFTER = dt.timedelta(minutes=1)  # when it failed: nobody outside is asked more often

logger = logging.getLogger(__name__)


def ways() -> Iterator[tuple[str, str, dt.timedelta, Callable[[Checkpoint], None]]]:
    """Yield the ways that are set: name, place for a person, the least time between two, and what sends."""
    if settings.EVIDENCE_CHECKPOINT_FILE:
        yield "file", settings.EVIDENCE_CHECKPOINT_FILE, dt.timedelta(0), to_file
    if settings.EVIDENCE_CHECKPOINT_MAIL:
        every = dt.timedelta(hours=settings.EVIDENCE_CHECKPOINT_MAIL_HOURS)
        yield "mail", ", ".join(settings.EVIDENCE_CHECKPOINT_MAIL), every, by_mail
    if settings.EVIDENCE_TSA_URL:  # the last, because it can make others wait
        yield "timestamp", settings.EVIDENCE_TSA_URL, dt.timedelta(minutes=1), timestamps.stamp


def publish(now: dt.datetime | None = None) -> None:
    """Send the newest checkpoint everywhere where it is due, and note what came of it."""
    newest, now = checkpoints.newest(), now or timezone.now()
    if newest is None:
        return
    for name, _, every, send in ways():
        state, _ = Publication.objects.get_or_create(place=name)
        last, least = (state.published_at, every) if state.failing_since is None else (state.tried_at, AGAIN_AFTER)
        if state.size >= newest.size or (last is not None and now - last < least) or not _take(state, now):
            continue
        problem = ""
        try:
            send(newest)
        except FAILURES as error:
            problem = " ".join(str(error).split()) or type(error).__name__
            logger.warning("A checkpoint could not be published (%s): %s", name, problem)
        if problem:
            state.problem, state.failing_since = problem[:300], state.failing_since or now
        else:
            state.size, state.published_at, state.problem, state.failing_since = newest.size, now, "", None
        state.save()


def _take(state: Publication, now: dt.datetime) -> bool:
    """Note that it is tried now. Return False when another worker has tried since this was read."""
    taken = Publication.objects.filter(pk=state.pk, tried_at=state.tried_at).update(tried_at=now)
    state.tried_at = now
    return bool(taken)


def failing() -> list[Publication]:
    """Return the ways that are set and fail, with the reason."""
    return list(Publication.objects.filter(place__in=[name for name, *_ in ways()]).exclude(failing_since=None))


def to_file(checkpoint: Checkpoint) -> None:
    """Write a checkpoint to the file that is set; where that is a directory, to a file of its own there.

    Raise OSError.
    """
    path = Path(settings.EVIDENCE_CHECKPOINT_FILE)
    if path.is_dir():
        _replace(path / f"checkpoint-{checkpoint.size:012d}", checkpoint.note)
    elif settings.EVIDENCE_CHECKPOINT_FILE_MODE == REPLACE:
        _replace(path, checkpoint.note)
    else:
        _append(path, checkpoint.note)


def _append(path: Path, note: str) -> None:
    """Append a note, with an empty line before it so that notes are told apart."""
    with path.open("ab") as file:
        file.write((("\n" if file.tell() else "") + note).encode())
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, note: str) -> None:
    """Write the file so that a reader finds the old or the new note, and never a part."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(note.encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def by_mail(checkpoint: Checkpoint) -> None:
    """Send a checkpoint with the public keys. Raise OSError or SMTPException."""
    lines = "\n".join(keys.vkey(key) for key in keys.signing())
    body = (
        f"The activity log had {checkpoint.size:,} sealed entries at {checkpoint.at:%Y-%m-%d %H:%M:%S} UTC.\n"
        "Keep this mail where the administrators of the console cannot change it. Whoever checks the log later needs\n"
        "the checkpoint that is attached, and the public keys, which you should also have from the page Evidence:\n\n"
        f"{lines}\n\nThe checkpoint:\n\n{checkpoint.note}"
    )
    mail = EmailMessage(
        f"Checkpoint of the activity log: {checkpoint.size:,} entries", body, to=settings.EVIDENCE_CHECKPOINT_MAIL
    )
    mail.attach(f"checkpoint-{checkpoint.size}.txt", checkpoint.note, "text/plain")
    mail.send()
