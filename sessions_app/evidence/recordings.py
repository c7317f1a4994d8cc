"""Compare the recordings with the entries that closed them, which are sealed, and their files with both."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.gateway.recordings.models import Recording
from sessions_app.gateway.recordings.storage import difference

AT_ONCE = 500  # recordings


@dataclasses.dataclass(slots=True)
class Recordings:
    """How many recordings were compared."""

    files: int = 0
    removed: int = 0  # by retention: their hashes stay, their files do not
    without_entry: int = 0  # closed by a version that wrote no entry, or the entry was pruned or erased


def compare(say: Callable[[str], None]) -> Recordings:
    """Compare all closed recordings; call `say` with what is wrong. Return how many there were."""
    found = Recordings()
    closed = Recording.objects.filter(ended_at__isnull=False).select_related("session").order_by("pk")
    rows = closed.iterator(chunk_size=AT_ONCE)
    first = LogEntry.objects.filter(verb=Verb.RECORDING_CLOSED).order_by("at", "pk").first()
    while some := list(itertools.islice(rows, AT_ONCE)):
        entries, erased = _entries(some)
        for row in some:
            details = entries.get(row.pk)
            if details is None:
                is_older = first is None or (row.ended_at is not None and row.ended_at < first.at)
                if is_older or row.session_id in erased:
                    found.without_entry += 1
                else:
                    say(f"{row}: no entry of the log says that it was closed.")
            for problem in _problems(row, details, found):
                say(problem)
    return found


def _entries(rows: list[Recording]) -> tuple[dict[int, dict[str, Any]], set[int]]:
    """Return what closed these recordings: the details of entries by the number of the recording.

    Return too the sessions that have such an entry whose details were erased.
    """
    label = rows[0].session._meta.label_lower
    about = LogEntry.objects.filter(target_type=label, target_id__in={row.session_id for row in rows})
    found, erased = {}, set()
    closing = about.filter(verb=Verb.RECORDING_CLOSED).order_by("pk")
    for session_id, details in closing.values_list("target_id", "details"):
        if isinstance(details, dict) and type(details.get("recording")) is int:
            found[details["recording"]] = details
        elif session_id is not None:
            erased.add(session_id)
    return found, erased


def _problems(row: Recording, details: dict[str, Any] | None, found: Recordings) -> Iterator[str]:
    if details is not None:
        for key in ("sha256", "input_sha256"):
            noted, said = getattr(row, key), str(details.get(key, ""))
            if noted != said:
                yield f"{row}: its row says SHA-256 “{noted}”, but the entry that closed it says “{said}”."
    if row.removed_at is not None:
        found.removed += 1
        return
    hashes = details if details is not None else {"sha256": row.sha256, "input_sha256": row.input_sha256}
    files = [(row.path, str(hashes.get("sha256", "")))]
    if row.input_path or hashes.get("input_sha256"):
        files.append((row.input_path, str(hashes.get("input_sha256", ""))))
    for name, expected in files:
        found.files += 1
        problem = difference(name, expected)
        if problem and not Recording.objects.filter(pk=row.pk).exclude(removed_at=None).exists():
            yield f"{row}: {name or 'its file'} {problem}."
