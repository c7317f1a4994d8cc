"""Signed statements of what was taken out of the sealed log: entries that were deleted, personal data that was erased.

A statement is a signed note (C2SP signed-note) of two lines: what it is, and canonical JSON (RFC 8785). The hashes of
what was taken stay in the tree, so everything else still verifies; the statement says that nobody took more than that.
"""

from __future__ import annotations

import base64
import bisect
import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from activity.models import LogEntry
from activity.seal import signing
from activity.seal.models import SealStatement, StatementKind
from activity.verbs import Verb
from activity.verify_sessionadmin import STATEMENT, Unproven, VerifierKey, canonical_json, open_note, time_text

Range = tuple[int, int]  # the first leaf, and the one after the last
ENTRIES = {StatementKind.PRUNED: Verb.LOG_PRUNED, StatementKind.ERASED: Verb.LOG_ERASED}


@dataclasses.dataclass(frozen=True, slots=True)
class Erasure:
    """What a statement says of one entry whose personal data was erased."""

    entry_id: int
    leaf_hash: bytes  # of the entry as it was sealed
    now: bytes  # what its leaf would be as it is now
    kept: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)  # details that name nobody


@dataclasses.dataclass(slots=True)
class Statements:
    """What all statements together say, and what is wrong with some of them."""

    starts: list[int] = dataclasses.field(default_factory=list)
    ends: list[int] = dataclasses.field(default_factory=list)
    erasures: dict[int, Erasure] = dataclasses.field(default_factory=dict)  # by the leaf
    problems: list[str] = dataclasses.field(default_factory=list)
    newest: int = 0  # the newest row that was read

    def covers(self, first: int, after: int) -> bool:
        """Return whether all leaves from `first` up to, but not with, `after` were deleted as a statement says."""
        at = bisect.bisect_right(self.starts, first) - 1
        return at >= 0 and after <= self.ends[at]


def sign_pruned(entry_id: int, ranges: Sequence[Range], before: dt.datetime) -> SealStatement:
    """State that the entries of these leaves were deleted, as entry `entry_id` of the log says. Raise NoSigningKey."""
    count = sum(after - first for first, after in ranges)
    said = {"leaves": [list(one) for one in ranges], "count": count, "before": time_text(before)}
    return _sign(StatementKind.PRUNED, entry_id, said)


def sign_erased(entry_id: int, leaf: int, erasure: Erasure, reason: str) -> SealStatement:
    """State that the personal data of one entry was erased, as entry `entry_id` of the log says. Raise NoSigningKey."""
    said = {
        "leaf": leaf,
        "id": erasure.entry_id,
        "hash": base64.b64encode(erasure.leaf_hash).decode(),
        "now": base64.b64encode(erasure.now).decode(),
        "reason": reason,
        "kept": dict(erasure.kept),
    }
    return _sign(StatementKind.ERASED, entry_id, said)


def _sign(kind: StatementKind, entry_id: int, said: dict[str, Any]) -> SealStatement:
    at = timezone.now()
    facts = {"v": 1, "kind": kind.value, "log": signing.origin(), "entry": entry_id, "at": time_text(at), **said}
    note = signing.sign(f"{STATEMENT}\n{canonical_json(facts).decode()}\n")
    return SealStatement.objects.create(kind=kind, entry_id=entry_id, note=note, at=at)


def notes_of_erasures() -> dict[int, str]:
    """Return the signed statements of erasures, by the leaf that each is about. They are not verified here."""
    notes = SealStatement.objects.filter(kind=StatementKind.ERASED).order_by("pk").values_list("note", flat=True)
    return {json.loads(note.split("\n")[1])["leaf"]: note for note in notes}


def load(keys: Iterable[VerifierKey]) -> Statements:
    """Return what the statements say that one of the keys signed, and the problems of the others."""
    found, ranges, keys = Statements(), list[Range](), list(keys)
    for row in SealStatement.objects.order_by("pk").iterator(chunk_size=100):
        found.newest = row.pk
        try:
            ranges += _read(row, keys, found)
        except Unproven as problem:
            found.problems.append(f"Statement {row.pk} about what was {row.kind} does not hold. {problem}")
    ranges.sort()
    for first, after in ranges:
        if found.ends and first <= found.ends[-1]:
            found.ends[-1] = max(found.ends[-1], after)
        else:
            found.starts.append(first)
            found.ends.append(after)
    return found


def _read(row: SealStatement, keys: Sequence[VerifierKey], found: Statements) -> list[Range]:
    """Note an erasure, or return the ranges of what was deleted. Raise Unproven for what no key signed."""
    kind, _, rest = open_note(row.note, keys).text.partition("\n")
    if kind != STATEMENT:
        raise Unproven("It is signed, but no statement about the log.")
    said = json.loads(rest)  # it is signed, so the console wrote it
    if (said["kind"], said["entry"]) != (row.kind, row.entry_id):
        raise Unproven("Its row says something else than what was signed.")
    if not LogEntry.objects.filter(pk=row.entry_id, verb=ENTRIES[StatementKind(row.kind)]).exists():
        found.problems.append(f"Entry {row.entry_id:,}, which says what was {row.kind}, is missing from the log.")
    if row.kind == StatementKind.PRUNED:
        return [(first, after) for first, after in said["leaves"]]
    leaf_hash, now = (base64.b64decode(said[key]) for key in ("hash", "now"))
    found.erasures[said["leaf"]] = Erasure(said["id"], leaf_hash, now, said.get("kept", {}))  # earlier ones kept none
    return []
