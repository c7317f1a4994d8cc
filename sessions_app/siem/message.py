"""What is sent to a destination: an entry of the log, a checkpoint, or a message of the delivery itself."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from django.utils import timezone

from activity.models import Level, LogEntry, Outcome
from activity.seal.models import Checkpoint
from activity.text import CONTROLS
from activity.verbs import Verb

VENDOR = PRODUCT = "SessionAdmin"
# Characters that end a line or turn the direction of writing, and halves of characters, which no encoding takes.
_UNSAFE = re.compile(f"[{CONTROLS}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LABELS = dict(Verb.choices)


class Kind(enum.StrEnum):
    """What a message is about."""

    ENTRY = "entry"
    CHECKPOINT = "checkpoint"
    GAP = "gap"  # entries were deleted before they were sent
    HEARTBEAT = "heartbeat"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `key` is the same whenever it is sent again, so that a receiver can leave out what it has."""

    kind: Kind
    key: str
    at: dt.datetime
    verb: str
    title: str
    text: str
    level: int = Level.INFO
    outcome: str = Outcome.SUCCESS
    entry_id: int | None = None
    actor_id: int | None = None
    actor: str = ""
    user_id: int | None = None
    user: str = ""
    target_type: str = ""
    target_id: int | None = None
    target: str = ""
    ip: str = ""
    login_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def details_json(self) -> str:
        """Return the details as JSON of ASCII characters; an empty string if there are none."""
        return as_json(self.details) if self.details else ""


def as_json(value: Any) -> str:
    """Return compact JSON of ASCII characters, in which nothing can end a line or turn the direction of writing."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, default=str)


@functools.cache
def version() -> str:
    """Return the version of this console; “0” where it runs from its source and is not installed."""
    try:
        return metadata.version("sessionadmin")
    except metadata.PackageNotFoundError:
        return "0"


def of_entry(entry: LogEntry) -> Message:
    return Message(
        kind=Kind.ENTRY,
        key=f"entry-{entry.pk}",
        at=entry.at,
        verb=entry.verb,
        title=_LABELS.get(entry.verb, entry.verb),
        text=entry.message,
        level=entry.level,
        outcome=entry.outcome,
        entry_id=entry.pk,
        actor_id=entry.actor_id,
        actor=entry.actor_name,
        user_id=entry.user_id,
        user=entry.user_name,
        target_type=entry.target_type,
        target_id=entry.target_id,
        target=entry.target_name,
        ip=entry.ip or "",
        login_id=entry.login_id,
        details=entry.details,
    )


def of_checkpoint(checkpoint: Checkpoint) -> Message:
    return Message(
        kind=Kind.CHECKPOINT,
        key=f"checkpoint-{checkpoint.pk}",
        at=checkpoint.at,
        verb="siem.checkpoint",
        title="Checkpoint of the sealed log",
        text=f"The log was sealed with {checkpoint.size} entries",
        details={"size": checkpoint.size, "note": checkpoint.note},
    )


def gap(destination: str, first: int, last: int, count: int) -> Message:
    """Return the message that says that entries were deleted before they could be sent."""
    return Message(
        kind=Kind.GAP,
        key=f"gap-{first}-{last}",
        at=timezone.now(),
        verb="siem.gap",
        title="Entries were deleted before they were sent",
        text=f"Up to {count} entries from {first} to {last} were deleted from the log before {destination} had them",
        level=Level.WARNING,
        outcome=Outcome.FAILURE,
        details={"first": first, "last": last, "count": count},
    )


def heartbeat(newest: int) -> Message:
    now = timezone.now()
    return Message(
        kind=Kind.HEARTBEAT,
        key=f"heartbeat-{now:%Y%m%dT%H%M%S}",
        at=now,
        verb="siem.heartbeat",
        title="Heartbeat",
        text=f"Nothing else to send; the newest entry is {newest}",
        level=Level.DEBUG,
        details={"newest": newest},
    )


def trial(who: str, token: str) -> Message:
    """Return the marked message that the test button sends. `token` lets people find it at the receiver."""
    return Message(
        kind=Kind.TEST,
        key=f"test-{token}",
        at=timezone.now(),
        verb="siem.test",
        title="Test message",
        text=f"This is a test message {token}, sent by {who}",
        actor=who,
        user=who,
        details={"token": token},
    )


def visible(text: str) -> str:
    """Return `text` with the number of each unsafe character in its place, so that a line stays one line."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
