"""Remove recordings whose retention is over: files and searchable lines go, the row and its SHA-256 stay."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from activity import log
from activity.verbs import Verb
from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.gateway.recordings import lines
from sessions_app.gateway.recordings.models import Recording
from sessions_app.gateway.recordings.storage import storage

MOST_RECORDINGS = 100


def due(now: dt.datetime) -> list[Recording]:
    """Return recordings that are older than their session's profile keeps them."""
    found: list[Recording] = []
    for profile in ConnectionProfile.objects.filter(recording_days__gt=0):
        over = Recording.objects.filter(
            session__profile=profile, ended_at__lt=now - dt.timedelta(days=profile.recording_days), removed_at=None
        )
        found += over.select_related("session__profile").order_by("pk")[:MOST_RECORDINGS]
    return found


def remove(recording: Recording) -> bool:
    """Remove one for good. Return False when somebody else did. Raises OSError and what the storage raises.

    The files go first: after a crash in between the row is unchanged, and the removal is done again.
    """
    for name in (recording.path, recording.input_path):
        if name:
            storage().delete(name)
    lines.remove(recording)
    days = recording.session.profile.recording_days
    with transaction.atomic():
        if not Recording.objects.filter(pk=recording.pk, removed_at=None).update(
            removed_at=timezone.now(), path="", input_path="", input_key=""
        ):
            return False
        log.record(
            Verb.RECORDING_REMOVED,
            f"Removed {str(recording).lower()}: its connection profile keeps recordings for {days} "
            f"day{'' if days == 1 else 's'}",
            user=recording.session.user,
            target=recording.session,
            details={"recording": recording.pk, "sha256": recording.sha256},
        )
    return True
