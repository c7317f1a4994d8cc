"""Compare the recordings with the entries that closed them, which are sealed, and their files with both."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.db.models import QuerySet

from activity.models import LogEntry
from activity.seal.statements import Erasure
from activity.verbs import Verb
from sessions_app.gateway.recordings.models import Recording
from sessions_app.gateway.recordings.storage import difference

AT_ONCE = 500  # recordings
HASHES = ("sha256", "input_sha256")

Details = Mapping[str, Any]  # of an entry that closed a recording
Stated = Mapping[int, Details]  # what statements keep of entries that were erased, by the number of the entry


@dataclasses.dataclass(slots=True)
class Recordings:
    """How many recordings were compared."""

    files: int = 0
    removed: int = 0  # by retention: their hashes stay, their files do not
    without_entry: int = 0  # closed by a version that wrote no entry, or the entry was pruned or erased


def compare(say: Callable[[str], None], erasures: Iterable[Erasure] = ()) -> Recordings:
    """Compare all closed recordings; call `say` with what is wrong. Return how many there were.

    `erasures` are those that signed statements tell of: they keep the hashes of entries whose details are gone.
    """
    found = Recordings()
    stated = {erasure.entry_id: erasure.kept for erasure in erasures if erasure.kept}
    closed = Recording.objects.filter(ended_at__isnull=False).select_related("session").order_by("pk")
    rows = closed.iterator(chunk_size=AT_ONCE)
    first = _closing().order_by("at", "pk").first()
    while some := list(itertools.islice(rows, AT_ONCE)):
        entries, erased = _entries(some, stated)
        for row in some:
            closing = entries[row.pk]
            if not closing:
                is_older = first is None or (row.ended_at is not None and row.ended_at < first.at)
                if is_older or row.session_id in erased:
                    found.without_entry += 1
                else:
                    say(f"{row}: no entry of the log says that it was closed.")
            for problem in _problems(row, closing, found):
                say(problem)
    for number in _missing(stated):
        say(f"Recording {number} is missing, although the log says that it was closed.")
    return found


def _closing() -> QuerySet[LogEntry]:
    return LogEntry.objects.filter(verb=Verb.RECORDING_CLOSED)


def _entries(rows: list[Recording], stated: Stated) -> tuple[dict[int, list[Details]], set[int]]:
    """Return what closed these recordings: the details of entries by the number of the recording.

    There is one for each, but whoever owns the database can add others. Return too the sessions that have such an
    entry whose details were erased.
    """
    label = rows[0].session._meta.label_lower
    about = _closing().filter(target_type=label, target_id__in={row.session_id for row in rows})
    found, erased = defaultdict[int, list[Details]](list), set[int]()
    for entry in about.order_by("pk"):
        details = stated.get(entry.pk, entry.details)
        if (number := _number(details)) is not None:
            found[number].append(details)
        elif entry.target_id is not None:
            erased.add(entry.target_id)
    return found, erased


def _number(details: object) -> int | None:
    """Return which recording an entry closed."""
    number = details.get("recording") if isinstance(details, Mapping) else None
    return number if type(number) is int and 0 < number < 2**63 else None  # else no database knows it


def _missing(stated: Stated) -> Iterator[int]:
    """Yield the numbers of recordings that the log calls closed, and of which there is no closed row."""
    entries = _closing().order_by("pk").values_list("pk", "details").iterator(chunk_size=AT_ONCE)
    while some := list(itertools.islice(entries, AT_ONCE)):
        numbers = {number for pk, details in some if (number := _number(stated.get(pk, details))) is not None}
        there = Recording.objects.filter(pk__in=numbers, ended_at__isnull=False).values_list("pk", flat=True)
        yield from sorted(numbers - set(there))


def _problems(row: Recording, closing: list[Details], found: Recordings) -> Iterator[str]:
    for details in closing:
        for key in HASHES:
            noted, said = getattr(row, key), str(details.get(key, ""))
            if noted != said:
                yield f"{row}: its row says SHA-256 “{noted}”, but the entry that closed it says “{said}”."
    if row.removed_at is not None:
        found.removed += 1
        return
    hashes = closing[0] if closing else {key: getattr(row, key) for key in HASHES}
    files = [(row.path, str(hashes.get("sha256", "")))]
    if row.input_path or hashes.get("input_sha256"):
        files.append((row.input_path, str(hashes.get("input_sha256", ""))))
    for name, expected in files:
        found.files += 1
        problem = difference(name, expected)
        if problem and not Recording.objects.filter(pk=row.pk).exclude(removed_at=None).exists():
            yield f"{row}: {name or 'its file'} {problem}."
