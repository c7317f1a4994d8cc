"""Tables of recordings: the recordings, their pieces while they run, and their searchable lines.

What was typed is encrypted.
"""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from activity.text_index import TextIndex
from sessions_app.gateway.models import GatewayConnection
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import Person, sees_everything
from sessions_app.sealing import SealedField


class RecordingQuerySet(models.QuerySet["Recording"]):
    """The queries about recordings that several callers need."""

    def visible_to(self, user: Person) -> Self:
        """Select all for administrators and auditors, else those of the person's own sessions."""
        return self if sees_everything(user) else self.filter(session__user_id=user.pk)


class Recording(models.Model):
    """The terminal of one connection of a privileged session (asciicast v2).

    While it runs, what was recorded is in RecordingChunk rows. When it is closed they become one file, whose SHA-256 is
    kept here.
    """

    session = models.ForeignKey(PrivilegedSession, models.PROTECT, related_name="recordings")
    connection = models.ForeignKey(GatewayConnection, models.PROTECT, related_name="recordings")
    title = models.CharField(max_length=200, blank=True)  # the command, or nothing for a shell
    width = models.PositiveSmallIntegerField(default=80)
    height = models.PositiveSmallIntegerField(default=24)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    duration = models.DurationField(default=dt.timedelta(0))
    path = models.CharField(max_length=300, blank=True)  # in the storage; empty while it runs and after removal
    size = models.BigIntegerField(default=0)  # bytes of the file
    sha256 = models.CharField(max_length=64, blank=True)
    input_path = models.CharField(max_length=300, blank=True)  # what was typed, sealed; empty when not recorded
    input_sha256 = models.CharField(max_length=64, blank=True)
    input_key = SealedField(blank=True, default="")  # opens that file; changes of ENCRYPTION_KEYS reach it here
    written_at = models.DateTimeField(null=True)  # its gateway has handed over the last piece
    closing_at = models.DateTimeField(null=True)  # a worker began to make the file
    is_truncated = models.BooleanField(default=False)  # it reached the size it may have
    is_complete = models.BooleanField(default=True)  # false: its gateway died, the last moments may be missing
    removed_at = models.DateTimeField(null=True)  # by the profile's retention; the row stays as evidence

    objects = RecordingQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["session", "id"], name="recording_session"),
            models.Index(fields=["connection"], name="recording_running", condition=Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"Recording {self.pk} of {self.session}"


class RecordingChunk(models.Model):
    """What was recorded in about half a second: whole asciicast lines.

    The rows are deleted when the recording is closed.
    """

    recording = models.ForeignKey(Recording, models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    data = models.BinaryField()
    typed = SealedField(blank=True)  # lines of what was typed

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["recording", "number"], name="chunk_number_once")]

    def __str__(self) -> str:
        return f"Part {self.number} of recording {self.recording_id}"


LINE_WORDS = TextIndex("sessions_app_recordingtext", ("text",))


class RecordingText(models.Model):
    """A line as it was on the screen, or a command, for the search across recordings."""

    recording = models.ForeignKey(Recording, models.CASCADE, related_name="lines")
    at = models.FloatField()  # seconds from the start
    text = models.CharField(max_length=500)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["recording", "at"], name="recording_text_at")]

    def __str__(self) -> str:
        return self.text
