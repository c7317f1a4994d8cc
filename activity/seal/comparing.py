"""Compare a range of the sealed log with its tree: every entry with its leaf, and the checkpoints in that range.

verification.py puts the ranges together. Several processes may compare at once, each another range.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from django.db import connection

from activity.seal.models import HASH_BYTES, TILE, Checkpoint, SealTile
from activity.seal.rows import read_entries
from activity.seal.statements import Statements, load
from activity.seal.tree import rows_over, split_hashes, unpack_ids
from activity.verify_sessionadmin import Unproven, VerifierKey, leaf_hash, open_note, parse_checkpoint

TILES_OF_PART = 64
MOST_NAMED = 100  # findings of one part that are told one by one
END = (2**63, b"")

Subtree = tuple[int, bytes]  # level and hash


@dataclasses.dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that was found, in the database or outside of it."""

    name: str
    size: int
    root: bytes
    problem: str = ""  # why it does not count
    subtrees: tuple[Subtree, ...] = ()  # of its leaves after the last whole tile


@dataclasses.dataclass(slots=True)
class Compared:
    """What was found in one range of tiles."""

    first_tile: int
    roots: list[bytes] = dataclasses.field(default_factory=list)  # of its whole tiles
    tail: list[bytes] = dataclasses.field(default_factory=list)  # leaves of the last tile, where it is not whole
    signed: list[Signed] = dataclasses.field(default_factory=list)
    findings: list[str] = dataclasses.field(default_factory=list)
    unnamed: int = 0  # further findings
    entries: int = 0
    pruned: int = 0
    erased: int = 0
    span: tuple[int, int] = (0, 0)  # numbers of the first and the last entry


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """What every process knows: how large the tree is, the keys that count, statements, and outside checkpoints."""

    size: int
    keys: tuple[VerifierKey, ...]
    statements: Statements
    outside: tuple[Signed, ...] = ()

    def compare(self, first_tile: int) -> Compared:
        """Compare TILES_OF_PART tiles, or as many as there are. Statements that were made meanwhile count too."""
        found = _Part(self, self.statements, first_tile).run()
        if found.findings:
            newer = load(self.keys)
            if newer.newest != self.statements.newest:
                return _Part(self, newer, first_tile).run()
        return found


class _Part:
    def __init__(self, comparison: Comparison, statements: Statements, first_tile: int) -> None:
        self.of, self.statements = comparison, statements
        self.first = first_tile
        self.after = min(first_tile + TILES_OF_PART, -(-comparison.size // TILE))
        self.found = Compared(first_tile)
        self._group: tuple[str, int, int, int] | None = None  # kind, first and last number, how many

    def run(self) -> Compared:
        stored = SealTile.objects.filter(level=0, number__gte=self.first - 1, number__lt=self.after)
        tiles = {tile.number: tile for tile in stored}
        for number in range(self.first, self.after):
            leaves = min(TILE, self.of.size - number * TILE)
            if number in tiles:
                self._tile(tiles[number], tiles.get(number - 1), leaves)
            else:
                self._finish_group()
                self._say(f"{_leaves(number, leaves)} of the tree are missing: their hashes were deleted.")
                self.found.roots.append(self._root_above(number))
        self._finish_group()
        self.found.signed = list(self._signed(tiles))
        return self.found

    # entries

    def _tile(self, tile: SealTile, before: SealTile | None, leaves: int) -> None:
        hashes, numbers = bytes(tile.hashes)[: leaves * HASH_BYTES], unpack_ids(bytes(tile.ids))
        if not hashes and not numbers and leaves == TILE:
            self._empty(tile, before)
            return
        ids = numbers[:leaves]  # somebody may seal more meanwhile
        is_whole = len(hashes) == leaves * HASH_BYTES and len(ids) == leaves and numbers == sorted(set(numbers))
        # The next tile is compared from the number on that this one says is its last.
        if not is_whole or (tile.first_id, tile.last_id) != (numbers[0], numbers[-1]):
            self._say(
                f"{_leaves(tile.number, leaves)} of the tree are damaged: their hashes and numbers do not fit together."
            )
            self.found.roots.append(self._root_above(tile.number))
            return
        self._compare(tile.number * TILE, ids, hashes, self._start(tile, before))
        self._reach(ids[0], ids[-1])
        if leaves == TILE:
            self.found.roots.append(rows_over(split_hashes(hashes))[-1][0])
        else:
            self.found.tail = split_hashes(hashes)

    def _reach(self, first: int, last: int) -> None:
        self.found.span = (self.found.span[0] or first, last)

    def _start(self, tile: SealTile, before: SealTile | None) -> int:
        """Return the number after which entries belong to this tile."""
        if tile.number == 0:
            return 0
        return (before.last_id if before is not None else (tile.first_id or 1) - 1) or 0

    def _empty(self, tile: SealTile, before: SealTile | None) -> None:
        """Deal with a tile whose hashes pruning has taken away: a statement must say so, and no entry may be there."""
        first = tile.number * TILE
        if self.statements.covers(first, first + TILE):
            self.found.pruned += TILE
        else:
            self._say(f"{_leaves(tile.number, TILE)} of the tree are missing, and no signed statement says why.")
        for number, _ in read_entries(connection, self._start(tile, before), tile.last_id or 0):
            self._add("behind", number)
        self._reach(tile.first_id or 0, tile.last_id or 0)
        self.found.roots.append(self._root_above(tile.number))

    def _compare(self, leaf: int, ids: Sequence[int], hashes: bytes, after: int) -> None:
        """Compare the entries after number `after` with leaves from `leaf` on."""
        rows = read_entries(connection, after, ids[-1])
        number, data = next(rows, END)
        for place, wanted in enumerate(ids):
            while number < wanted:
                self._add("behind", number)
                number, data = next(rows, END)
            is_stated = bool(self.statements.starts) and self.statements.covers(leaf + place, leaf + place + 1)
            if number != wanted:
                if is_stated:
                    self.found.pruned += 1
                else:
                    self._add("missing", wanted)
                continue
            self.found.entries += 1
            hashed = hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]
            if is_stated:
                self._add("back", wanted)
            elif leaf_hash(data) != hashed or leaf + place in self.statements.erasures:
                self._changed(wanted, leaf + place, hashed, leaf_hash(data))
            elif self._group is not None:
                self._finish_group()
            number, data = next(rows, END)

    def _changed(self, number: int, leaf: int, hashed: bytes, now: bytes) -> None:
        erasure = self.statements.erasures.get(leaf)
        if erasure is None:
            self._add("changed", number)
        elif (erasure.entry_id, erasure.leaf_hash) != (number, hashed):
            self._add("mismatched", number)
        elif now == erasure.now:
            self.found.erased += 1
        elif now == hashed:
            self._add("restored", number)
        else:
            self._add("changed again", number)

    # findings

    def _add(self, kind: str, number: int) -> None:
        """Note a finding about an entry. Those of one kind beside each other are told together."""
        if self._group is not None and self._group[0] == kind:
            _, first, _, count = self._group
            self._group = (kind, first, number, count + 1)
            return
        self._finish_group()
        self._group = (kind, number, number, 1)

    def _finish_group(self) -> None:
        if self._group is not None:
            kind, first, last, count = self._group
            one, many = FINDINGS[kind]
            text = f"Entry {first:,} {one}" if count == 1 else f"{count:,} entries, {first:,} to {last:,}, {many}"
            self._group = None
            self._say(text)

    def _say(self, text: str) -> None:
        if len(self.found.findings) < MOST_NAMED:
            self.found.findings.append(text)
        else:
            self.found.unnamed += 1

    # the tree

    def _root_above(self, number: int) -> bytes:
        """Return the hash of a tile that the level above keeps; zeros where there is none."""
        above, place = divmod(number, TILE)
        tile = SealTile.objects.filter(level=1, number=above).first()
        hashed = bytes(tile.hashes)[place * HASH_BYTES : (place + 1) * HASH_BYTES] if tile is not None else b""
        return hashed if len(hashed) == HASH_BYTES else bytes(HASH_BYTES)

    def _signed(self, tiles: dict[int, SealTile]) -> Iterator[Signed]:
        """Yield the checkpoints whose last leaf is in this part, with what their roots are made of."""
        low, high = self.first * TILE, min(self.after * TILE, self.of.size)
        stored = Checkpoint.objects.filter(size__gt=low, size__lte=high).order_by("size", "pk")
        outside = [one for one in self.of.outside if low < one.size <= high]
        rows: tuple[int, list[list[bytes]]] = (-1, [])
        for one in (*(read(row, self.of.keys) for row in stored.iterator(chunk_size=500)), *outside):
            number, rest = divmod(one.size, TILE)
            if rest and rows[0] != number:
                hashes = bytes(tiles[number].hashes) if number in tiles else b""
                rows = (number, rows_over(split_hashes(hashes)))
            yield dataclasses.replace(one, subtrees=tuple(_complete(rows[1], rest)))


FINDINGS = {
    "behind": (
        "appeared behind the seal: it was not there when later entries were sealed.",
        "appeared behind the seal: they were not there when later entries were sealed.",
    ),
    "missing": ("is missing: it was sealed, and was deleted.", "are missing: they were sealed, and were deleted."),
    "changed": ("was changed after it was sealed.", "were changed after they were sealed."),
    "back": (
        "is there, although a signed statement says that it was deleted.",
        "are there, although a signed statement says that they were deleted.",
    ),
    "restored": (
        "has its personal data again, although a signed statement says that it was erased.",
        "have their personal data again, although signed statements say that it was erased.",
    ),
    "changed again": (
        "was changed after its personal data was erased.",
        "were changed after their personal data was erased.",
    ),
    "mismatched": (
        "is not the one that the statement of its erasure is about.",
        "are not those that the statements of their erasure are about.",
    ),
}


def read(row: Checkpoint, keys: Sequence[VerifierKey]) -> Signed:
    """Return a checkpoint of the database, with what is wrong with its signature or its row."""
    name, root = f"The checkpoint of {row.size:,} entries ({row.at:%Y-%m-%d %H:%M:%S} UTC)", bytes(row.root)
    try:
        said = parse_checkpoint(open_note(row.note, keys).text)
    except Unproven as problem:
        return Signed(name, row.size, root, f"{name} does not hold. {problem}")
    if (said.size, said.root) != (row.size, root):
        return Signed(name, row.size, root, f"{name} does not hold. Its row says something else than what was signed.")
    return Signed(name, said.size, said.root)


def _complete(rows: Sequence[Sequence[bytes]], count: int) -> Iterator[Subtree]:
    """Yield the complete subtrees over the first `count` leaves of a tile, the largest first."""
    place = 0
    for level in reversed(range(count.bit_length())):
        if count >> level & 1:
            has = level < len(rows) and place >> level < len(rows[level])
            yield level, rows[level][place >> level] if has else bytes(HASH_BYTES)
            place += 1 << level


def _leaves(tile: int, count: int) -> str:
    return f"Leaves {tile * TILE:,} to {tile * TILE + count - 1:,}"
