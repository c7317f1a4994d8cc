"""Check that the log is reviewed in time, and that access reviews are done when they are due."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from activity.models import LogEntry
from sessions_app.reviews.models import AccessReview, LogReview
from sessions_app.worker.health.findings import Finding, ok, warning

NAME = "Reviews"
MOST_NAMED = 5  # overdue access reviews


def reviews() -> Finding:
    """Check how long a part of the log has not been reviewed, and whether an access review is overdue."""
    today = timezone.localdate()
    overdue = list(AccessReview.objects.open().filter(due_on__lt=today).order_by("due_on", "name"))
    texts = []
    if overdue:
        names = ", ".join(f"“{each}”" for each in overdue[:MOST_NAMED])
        more = f" and {len(overdue) - MOST_NAMED} more" if len(overdue) > MOST_NAMED else ""
        texts.append(f"Overdue access reviews: {names}{more}.")
    days: int = settings.LOG_REVIEW_DAYS
    since = unreviewed_since() if days else None
    if since is not None and since < timezone.now() - dt.timedelta(days=days):
        texts.append(f"The log has not been reviewed since {since.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC.")
    if texts:
        return warning(
            NAME, " ".join(texts), "Auditors and reviewers do this under Reviews (docs/evidence.md#reviews)."
        )
    if not days:
        return ok(NAME, "No access review is overdue; whether the log is reviewed is not watched.")
    return ok(NAME, f"The log was reviewed within {days} days, or is younger; no access review is overdue.")


def unreviewed_since() -> dt.datetime | None:
    """Return from when on the log has not been signed off; None if the log is empty.

    It is the end of the signed periods that follow the first one without a gap. Without any it is the oldest entry.
    """
    signed: QuerySet[LogReview, tuple[dt.datetime, dt.datetime]] = (
        LogReview.objects.exclude(signed_at=None).order_by("since", "until").values_list("since", "until")
    )
    reviewed: dt.datetime | None = None
    for since, until in signed.iterator(chunk_size=1000):
        if reviewed is not None and since > reviewed:
            break
        reviewed = until if reviewed is None else max(reviewed, until)
    return reviewed or LogEntry.objects.order_by("at", "pk").values_list("at", flat=True).first()
