"""Delete entries of the log that are older than LOG_RETENTION_DAYS, once a day, after they were sealed and exported.

Any number of workers may ask; one of them does it. Each deletion has its own files (activity/pruned_files.py), and is
what `sessionadmin prune_activity --export FILE.jsonl` does. If the files cannot be written, nothing is deleted.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.prune import PruneRefused, next_limit, older_than, prune
from activity.pruned_files import JSON_LINES, MaybeDeleted
from activity.text import plain
from activity.verbs import Verb
from sessions_app.evidence.models import LogRetention

YEAR = 365  # days
EVERY, AGAIN_AFTER = dt.timedelta(days=1), dt.timedelta(hours=1)
HELD_FOR = dt.timedelta(hours=1)  # after that another worker may go on
MOST_AT_ONCE = 200_000  # entries of one deletion: on SQLite nobody else writes meanwhile
FAILURES = (PruneRefused, MaybeDeleted, OSError, DatabaseError, InterfaceError)
TOO_SHORT_REMEDY = (
    "Keep entries for 365 days or more. If less is really wanted, set LOG_RETENTION_BELOW_YEAR=true "
    "(docs/evidence.md#retention)."
)

logger = logging.getLogger(__name__)


def is_too_short() -> bool:
    """Return whether the setting asks for less than a year, and nobody said that this is meant."""
    return 0 < settings.LOG_RETENTION_DAYS < YEAR and not settings.LOG_RETENTION_BELOW_YEAR


def too_short_words() -> str:
    """Return the sentences about a setting that is not obeyed."""
    days = settings.LOG_RETENTION_DAYS
    return (
        f"LOG_RETENTION_DAYS is {days}, which is below a year, so nothing is deleted. 12 months are what PCI DSS "
        "10.5.1 asks."
    )


def days() -> int:
    """Return for how many days entries are kept; 0: for ever."""
    return 0 if is_too_short() else max(int(settings.LOG_RETENTION_DAYS), 0)


def directory() -> Path:
    """Return where the files go. The default is made when it is missing; one that is set must be there.

    A directory of another machine that is not mounted would else be made on this disk. Raises OSError.
    """
    if settings.LOG_RETENTION_DIR:
        return Path(settings.LOG_RETENTION_DIR)
    path = Path(settings.VAR_DIR) / "retention"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def delete_if_due(go_on: Callable[[], bool] = lambda: True) -> int:
    """Delete what is too old if that is due and no other worker does it. Return how many entries there were.

    It stops between two deletions when `go_on()` is false, and is due again at once.
    """
    if not days() or not _take():
        return 0
    row = LogRetention.current()
    try:
        count, is_whole = _delete(timezone.now() - dt.timedelta(days=days()), row, go_on)
    except FAILURES as error:
        logger.exception("Old entries of the log were not deleted; trying again in an hour")
        _note_failure(row, plain(error, 300))
        return 0
    now = timezone.now()
    row.held_until, row.problem, row.failing_since = None, "", None
    if is_whole:
        row.next_at, row.done_at = now + EVERY, now
    row.save()
    return count


def _take() -> bool:
    """Take the work for this worker. Return False when it is not due, or when another one does it."""
    LogRetention.current()
    now = timezone.now()
    free = Q(held_until=None) | Q(held_until__lte=now)
    return bool(LogRetention.objects.filter(free, next_at__lte=now).update(held_until=now + HELD_FOR))


def _delete(cutoff: dt.datetime, row: LogRetention, go_on: Callable[[], bool]) -> tuple[int, bool]:
    """Export and delete, so many at a time. Return how many entries there were, and whether that is all."""
    folder, total = directory(), 0
    while True:
        before = next_limit(cutoff, MOST_AT_ONCE)
        if not older_than(before):
            return total, True
        if not go_on():
            return total, False
        path = folder / f"activity-before-{before:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}{JSON_LINES}"
        count = prune(before, path)
        total += count
        logger.info("Deleted %s entries of the log; they are in %s", f"{count:,}", path)
        row.deleted, row.file, row.held_until = total, path.name, timezone.now() + HELD_FOR
        row.save()


def _note_failure(row: LogRetention, problem: str) -> None:
    """Note for Health why nothing was deleted, and say so in the log when it begins to fail."""
    now = timezone.now()
    if row.failing_since is None:
        row.failing_since = now
        log.record(
            Verb.RETENTION_FAILED,
            f"Entries older than {settings.LOG_RETENTION_DAYS} days were not deleted: {problem}",
            level=Level.ERROR,
            details={"days": settings.LOG_RETENTION_DAYS},
        )
    row.problem, row.held_until, row.next_at = problem, None, now + AGAIN_AFTER
    row.save()
