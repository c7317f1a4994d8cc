"""How far the log is sealed, for Health and the page Evidence."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from activity.models import LogEntry
from activity.seal import checkpoints
from activity.seal.models import Checkpoint, SealFinding, SealState

MOST_COUNTED = 10_000  # entries; counting a deep backlog would take seconds


@dataclass(frozen=True, slots=True)
class SealStatus:
    """The state of the sealing at one moment. `oldest` is the time of the first entry that is not sealed."""

    state: SealState
    waiting: int
    oldest: dt.datetime | None
    newest: Checkpoint | None
    findings: int

    @property
    def has_more(self) -> bool:
        """Return whether more entries wait than were counted."""
        return self.waiting > MOST_COUNTED

    @property
    def waiting_words(self) -> str:
        """Return how many entries are not sealed yet."""
        return f"more than {MOST_COUNTED:,}" if self.has_more else f"{self.waiting:,}"


def seal_status() -> SealStatus:
    """Return how far the log is sealed."""
    state = SealState.objects.filter(pk=SealState.THE_ROW).first() or SealState(pk=SealState.THE_ROW)
    waiting = LogEntry.objects.filter(pk__gt=state.last_id).order_by("pk")
    return SealStatus(
        state=state,
        waiting=waiting[: MOST_COUNTED + 1].count(),
        oldest=waiting.values_list("at", flat=True).first(),
        newest=checkpoints.newest(),
        findings=SealFinding.objects.count(),
    )
