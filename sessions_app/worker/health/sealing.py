"""Check that the log is sealed: how far, what was found wrong, whether it is signed, and whether checkpoints leave."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from activity.seal.signing import NoSigningKey
from sessions_app.evidence import keys, publishing
from sessions_app.evidence.status import seal_status
from sessions_app.worker.health.findings import Finding, error, ok, warning

NAME = "Sealed log"
BEHIND_AFTER = dt.timedelta(minutes=10)  # by so much the oldest entry that is not sealed may be older than now


def sealing() -> Finding:
    """Check the sealing, its findings, its key and the publishing of checkpoints."""
    status, now = seal_status(), timezone.now()
    if status.findings:
        text = f"{status.findings:,} entries appeared behind the seal, or were found wrong in another way."
        return error(
            NAME, text, "See the page Evidence, and run: sessionadmin verify_log (docs/evidence.md#the-sealed-log)"
        )
    if status.state.problem:
        return error(NAME, status.state.problem, "Run: sessionadmin verify_log (docs/evidence.md#verify-the-database)")
    if status.state.waiting_since is not None and now - status.state.waiting_since > BEHIND_AFTER:
        text = (
            f"Sealing waits since {status.state.waiting_since:%Y-%m-%d %H:%M:%S} UTC for {status.state.waiting_for}; "
            f"{status.waiting_words} entries are not sealed."
        )
        return warning(NAME, text, "End that transaction in PostgreSQL.")
    if status.oldest is not None and now - status.oldest > BEHIND_AFTER and not status.has_more:
        text = f"{status.waiting_words} entries are not sealed, the oldest of {status.oldest:%Y-%m-%d %H:%M:%S} UTC."
        return warning(NAME, text, "See that a worker runs: sessionadmin run_worker, or run: sessionadmin seal_log")
    if status.state.size:
        try:
            keys.sign("Health asks whether the key can be opened.\n")
        except NoSigningKey as problem:
            return warning(
                NAME, f"Entries are sealed, but not signed. {problem}", "Set ENCRYPTION_KEYS (docs/evidence.md)."
            )
    if failing := publishing.failing():
        said = "; ".join(f"{one.place} since {one.failing_since:%Y-%m-%d %H:%M} UTC: {one.problem}" for one in failing)
        return warning(
            NAME, f"Checkpoints do not leave: {said}", "See docs/evidence.md#checkpoints-outside-the-machine."
        )
    return ok(NAME, f"{status.state.size:,} entries are sealed, {status.waiting_words} wait.")
