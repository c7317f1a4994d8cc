"""The list beside a replay: commands and events in their order, each with its second."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from django.db.models import Q

from activity.models import Level, LogEntry
from activity.tables import message_text
from activity.text_index import words_of
from sessions_app.gateway.recordings.models import Recording, RecordingText

MOST_LINES = 5000  # looked through for commands
MOST_MARKS = 500
MOST_FOUND = 200

# What most shells put before a command: name@host:place$, or a bare $ or #. A guess; it is shown as one.
PROMPT = re.compile(r"^(?:\([\w.-]+\) )?(?:\[?[\w.-]+@[\w.-]+[^$#%>❯]{0,120}[$#%>❯]|[$#]) ?(\S.*)$")


@dataclasses.dataclass(frozen=True, slots=True)
class ReplayMark:
    """A place in a replay to jump to. `at` is in seconds from the start."""

    at: float
    kind: str  # command, event, warning, error
    text: str


def replay_marks(recording: Recording, entries: Iterable[LogEntry]) -> list[ReplayMark]:
    """Return commands as they were echoed, and the session's log within the recording's time, in order.

    Debug entries of the log are left out.
    """
    found = [ReplayMark(line.at, "command", text) for line in _candidates(recording) if (text := command_of(line.text))]
    length = recording.duration.total_seconds()
    for entry in entries:
        if entry.level <= Level.DEBUG:
            continue
        at = (entry.at - recording.started_at).total_seconds()
        kind = {30: "warning", 40: "error"}.get(int(entry.level), "event")
        found.append(ReplayMark(min(max(at, 0.0), length), kind, message_text(entry)))
    return sorted(found, key=lambda mark: mark.at)[:MOST_MARKS]


def command_of(line: str) -> str:
    """Return the command on a line of a shell; empty when there is none."""
    match = PROMPT.match(line)
    return match[1] if match else ""


def find(recording: Recording, words: str) -> list[RecordingText]:
    """Return lines of this recording that contain each of the words."""
    lines = RecordingText.objects.filter(recording=recording)
    for word in words_of(words):
        lines = lines.filter(text__folded_contains=word)
    return list(lines.order_by("at", "pk")[:MOST_FOUND])


def _candidates(recording: Recording) -> Iterable[RecordingText]:
    has_prompt = Q(text__contains="@") | Q(text__startswith="$") | Q(text__startswith="#") | Q(text__startswith="(")
    return RecordingText.objects.filter(has_prompt, recording=recording).order_by("at", "pk")[:MOST_LINES]
