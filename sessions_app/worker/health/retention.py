"""Check that entries of the log are kept as long as they should, and exported before they are deleted."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.utils import timezone

from sessions_app.evidence import retention as rules
from sessions_app.evidence.models import LogRetention
from sessions_app.worker.health.findings import Finding, ok, warning

NAME = "Retention"
LATE = dt.timedelta(hours=2)


def retention() -> Finding:
    """Check the setting, and what came of it last."""
    if rules.is_too_short():
        return warning(NAME, rules.too_short_words(), rules.TOO_SHORT_REMEDY)
    days = rules.days()
    if not days:
        return ok(NAME, "Entries of the log are kept for ever.")
    row = LogRetention.objects.filter(pk=LogRetention.THE_ROW).first()
    kept = f"Entries of the log are kept for {days} days"
    if row is None:
        return ok(NAME, f"{kept}. No worker has looked for older ones yet.")
    if row.failing_since is not None:
        place = settings.LOG_RETENTION_DIR or "The directory retention in VAR_DIR"
        text = f"Older entries are not deleted since {row.failing_since:%Y-%m-%d %H:%M} UTC: {row.problem}"
        remedy = f"It is tried again every hour. {place} must be there and have room (docs/evidence.md#retention)."
        return warning(NAME, text, remedy)
    if timezone.now() - row.next_at > LATE:
        text = f"{kept}, but no worker has looked for older ones since {row.next_at:%Y-%m-%d %H:%M} UTC."
        return warning(NAME, text, "See that a worker runs: sessionadmin run_worker")
    last = f" The last {row.deleted:,} are in {row.file}." if row.file else ""
    return ok(NAME, f"{kept}.{last}")
