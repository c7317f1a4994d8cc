"""What a download of the log has that others have not: lines that are the leaves of the sealed log, and their proofs.

The formats are described in docs/evidence.md; activity/verify_sessionadmin.py reads them.
"""

from __future__ import annotations

import base64
import bisect
import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from activity.models import LogEntry
from activity.seal.models import TILE, SealTile
from activity.seal.statements import notes_of_erasures
from activity.seal.tree import Tree, unpack_ids
from activity.verify_sessionadmin import ENTRY_FIELDS, entry_json, ip_text, time_text

MOST_TILES = 2_000  # whose ids are kept, 10 KB each


class LeafNumbers:
    """Finds which leaves entries are, in the log as it is sealed when this is made."""

    def __init__(self, database: str) -> None:
        self._tiles = SealTile.objects.using(database).filter(level=0)
        first_ids = self._tiles.order_by("number").values_list("first_id", flat=True)
        self._first_ids = [each for each in first_ids if each is not None]
        self._ids: dict[int, list[int]] = {}  # by the number of the tile

    def of(self, ids: Sequence[int]) -> list[int | None]:
        """Return the number of the leaf of each entry; None for those that are not sealed."""
        numbers = [bisect.bisect_right(self._first_ids, each) - 1 for each in ids]
        missing = set(numbers) - set(self._ids) - {-1}
        if missing:
            if len(self._ids) > MOST_TILES:
                self._ids.clear()
                missing = set(numbers) - {-1}
            for number, packed in self._tiles.filter(number__in=missing).values_list("number", "ids"):
                self._ids[number] = unpack_ids(packed)
        return [self._place(number, each) for number, each in zip(numbers, ids, strict=True)]

    def _place(self, number: int, entry_id: int) -> int | None:
        ids = self._ids.get(number, [])
        at = bisect.bisect_left(ids, entry_id)
        return number * TILE + at if at < len(ids) and ids[at] == entry_id else None


def json_lines(database: str) -> Callable[[Sequence[LogEntry]], bytes]:
    """Return what writes entries as JSON Lines: each as the canonical JSON of its leaf, and the number of the leaf."""
    numbers = LeafNumbers(database)

    def write(entries: Sequence[LogEntry]) -> bytes:
        leaves = numbers.of([entry.pk for entry in entries])
        return b"".join(
            b'{"entry":%b,"leaf":%b}\n' % (canonical(entry), b"null" if leaf is None else b"%d" % leaf)
            for entry, leaf in zip(entries, leaves, strict=True)
        )

    return write


def canonical(entry: LogEntry) -> bytes:
    """Return the canonical JSON of an entry, which its leaf is the hash of."""
    values = {field: getattr(entry, field) for field in ENTRY_FIELDS}
    return entry_json(values | {"at": time_text(entry.at), "ip": ip_text(entry.ip)})


def proofs(ids: Iterable[list[int]], size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield lines that prove that entries are in the log of `size` leaves, and how many of them are sealed and are not.

    A line has the path from the leaf to the root, without as much of its end as the line before it has too.
    """
    tree, numbers, erased = Tree(size), LeafNumbers("default"), notes_of_erasures()
    before: list[bytes] = []
    for some in ids:
        leaves = [leaf if leaf is not None and leaf < size else None for leaf in numbers.of(some)]
        known = [leaf for leaf in leaves if leaf is not None]
        tree.read_for(leaves=known, edges=[size])
        lines = []
        for entry_id, leaf in zip(some, leaves, strict=True):
            if leaf is None:
                lines.append(json.dumps({"id": entry_id, "leaf": None}))
                continue
            path = tree.inclusion_proof(leaf)
            same = _length_of_common_end(before, path)
            lines.append(_line(entry_id, leaf, tree.leaf(leaf), path[: len(path) - same], same, erased.get(leaf)))
            before = path
        yield "".join(f"{line}\n" for line in lines).encode(), len(known), len(leaves) - len(known)


def _line(entry_id: int, leaf: int, leaf_hash: bytes, path: Sequence[bytes], same: int, statement: str | None) -> str:
    line: dict[str, object] = {
        "id": entry_id,
        "leaf": leaf,
        "hash": _text(leaf_hash),
        "path": [_text(each) for each in path],
        "same": same,
    }
    if statement is not None:
        line["statement"] = statement
    return json.dumps(line, separators=(",", ":"))


def _text(piece: bytes) -> str:
    return base64.b64encode(piece).decode()


def _length_of_common_end(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    length = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        length += 1
    return length
