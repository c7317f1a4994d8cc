"""The hash tree of the log as the database keeps it: its root at any size, and proofs after RFC 9162.

A proof reads the few tiles that it needs in one query. Nothing here knows what a leaf is made of.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterator, Sequence
from typing import TypeVar

from django.db.models import Q

from activity.seal.models import HASH_BYTES, TILE, SealState, SealTile
from activity.verify_sessionadmin import EMPTY_ROOT, node_hash

TILE_BITS = 8  # levels of the tree in one tile
MOST_TILES = 1_000  # that a Tree keeps in memory, about 30 KB each

Item = TypeVar("Item")


class NotSealed(LookupError):
    """The entry, or the size, is not part of the tree. The text is for the person."""


class TreeDamaged(LookupError):
    """Hashes are missing that the tree once had. The text is for the person."""


def rows_over(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return the hashes of the complete subtrees over these: row r has those over 2**r of them each."""
    rows = [list(hashes)]
    while len(below := rows[-1]) > 1:
        pairs = range(0, len(below) - 1, 2)
        rows.append([node_hash(below[i], below[i + 1]) for i in pairs])
    return rows


def pack_ids(ids: Sequence[int]) -> bytes:
    """Return the numbers of entries as SealTile.ids keeps them."""
    return struct.pack(f">{len(ids)}q", *ids)


def unpack_ids(packed: bytes | memoryview) -> list[int]:
    """Return the numbers of entries that SealTile.ids holds. A number of which a part is missing is left out."""
    count = len(packed) // 8
    return list(struct.unpack(f">{count}q", packed[: count * 8]))


def split_hashes(packed: bytes | memoryview) -> list[bytes]:
    """Return the hashes that SealTile.hashes holds."""
    return [bytes(packed[i : i + HASH_BYTES]) for i in range(0, len(packed), HASH_BYTES)]


def size() -> int:
    """Return how many entries are sealed."""
    return SealState.objects.filter(pk=SealState.THE_ROW).values_list("size", flat=True).first() or 0


def leaf_index(entry_id: int) -> int:
    """Return which leaf of the tree, counted from 0, this entry is. Raise NotSealed."""
    tile = SealTile.objects.filter(level=0, first_id__lte=entry_id).order_by("-first_id").first()
    if tile is not None:
        ids = unpack_ids(tile.ids)
        at = bisect.bisect_left(ids, entry_id)
        if at < len(ids) and ids[at] == entry_id:
            return tile.number * TILE + at
    raise NotSealed(f"Entry {entry_id:,} is not sealed.")


def root(at_size: int) -> bytes:
    """Return the root of the tree when it had `at_size` leaves. Raise NotSealed or TreeDamaged."""
    return Tree(at_size).root()


class Tree:
    """The tree at one size. It keeps the tiles that it has read, so that many proofs share them.

    Its methods raise NotSealed or TreeDamaged.
    """

    def __init__(self, at_size: int) -> None:
        if not 0 <= at_size <= (now := size()):
            raise NotSealed(f"The log has never had {at_size:,} sealed entries; it has {now:,}.")
        self.size = at_size
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def root(self) -> bytes:
        """Return the hash over all leaves."""
        if not self.size:
            return EMPTY_ROOT
        self.read_for(edges=[self.size])
        return self._range(0, self.size)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Return the hashes beside the path from the leaf to the root, from the leaf on (RFC 9162, 2.1.3.1)."""
        if not 0 <= index < self.size:
            raise NotSealed(f"The tree of {self.size:,} entries has no leaf {index:,}.")
        self.read_for(leaves=[index], edges=[self.size])
        return self._path(index, 0, self.size)

    def consistency_proof(self, old: int) -> list[bytes]:
        """Return the hashes that prove that this tree begins with the one of `old` leaves (RFC 9162, 2.1.4.1)."""
        if not 0 <= old <= self.size:
            raise NotSealed(f"A tree of {self.size:,} entries was never one of {old:,}.")
        if old in (0, self.size):
            return []
        self.read_for(edges=[old, self.size])
        return self._subproof(old, 0, self.size, is_whole=True)

    def leaf(self, index: int) -> bytes:
        """Return the hash of one leaf."""
        if not 0 <= index < self.size:
            raise NotSealed(f"The tree of {self.size:,} entries has no leaf {index:,}.")
        self.read_for(leaves=[index])
        return self._stored(0, index, 0)

    def read_for(self, leaves: Sequence[int] = (), edges: Sequence[int] = ()) -> None:
        """Read in one query the tiles that paths from these leaves, and the edges of trees of these sizes, go through.

        Who makes many proofs calls it for all of them first.
        """
        wanted: dict[int, set[int]] = {}
        positions = {*leaves, *(edge - 1 for edge in edges if edge)}
        level, width = 0, 1
        while width <= self.size:
            # The last tile of a level is on the path of every proof up to this size.
            last = self.size // width - 1
            numbers = {min(position // width, last) // TILE for position in positions}
            wanted[level] = {number for number in numbers if (level, number) not in self._tiles}
            level, width = level + 1, width * TILE
        chosen = Q()
        for at_level, numbers in wanted.items():
            if numbers:
                chosen |= Q(level=at_level, number__in=numbers)
        if chosen:
            self._read(chosen)

    def _read(self, chosen: Q) -> None:
        if len(self._tiles) > MOST_TILES:
            self._tiles.clear()
        for level, number, hashes in SealTile.objects.filter(chosen).values_list("level", "number", "hashes"):
            self._tiles[level, number] = rows_over(split_hashes(hashes))

    def _stored(self, level: int, position: int, row: int) -> bytes:
        """Return the hash over the 2**row hashes of this level from `position` on, which are in one tile."""
        number, place = divmod(position, TILE)
        if (level, number) not in self._tiles:
            self._read(Q(level=level, number=number))
        rows = self._tiles.get((level, number), [])
        if row < len(rows) and place >> row < len(rows[row]):
            return rows[row][place >> row]
        raise TreeDamaged(f"Hash {place} of tile {number} of level {level} of the sealed log is missing.")

    def _range(self, first: int, after: int) -> bytes:
        """Return the hash over the leaves from `first` up to, but not with, `after` (RFC 9162, 2.1.1)."""
        width = after - first
        if width & (width - 1) == 0:
            level, row = divmod(width.bit_length() - 1, TILE_BITS)
            return self._stored(level, first >> (level * TILE_BITS), row)
        middle = first + _left(width)
        return node_hash(self._range(first, middle), self._range(middle, after))

    def _path(self, index: int, first: int, after: int) -> list[bytes]:
        if after - first == 1:
            return []
        middle = first + _left(after - first)
        if index < middle:
            return [*self._path(index, first, middle), self._range(middle, after)]
        return [*self._path(index, middle, after), self._range(first, middle)]

    def _subproof(self, old: int, first: int, after: int, *, is_whole: bool) -> list[bytes]:
        if old == after:
            return [] if is_whole else [self._range(first, after)]
        middle = first + _left(after - first)
        if old <= middle:
            return [*self._subproof(old, first, middle, is_whole=is_whole), self._range(middle, after)]
        return [*self._subproof(old, middle, after, is_whole=False), self._range(first, middle)]


def _left(width: int) -> int:
    """Return the width of the left part of a tree: the largest power of two that is smaller than `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def grown(at_size: int, ids: Sequence[int], leaves: Sequence[bytes]) -> list[SealTile]:
    """Return the tiles, to be written, by which the tree of `at_size` leaves grows by these.

    Raise TreeDamaged if the last tile of a level is not as long as that size says.
    """
    tiles: list[SealTile] = []
    level, width, added = 0, 1, list(leaves)
    while added:
        first, place = divmod(at_size // width, TILE)
        begun = _begun(level, first, place)
        parts = list(_in_tiles([*split_hashes(begun.hashes), *added]))
        new = [SealTile(level=level, number=first + n, hashes=b"".join(part)) for n, part in enumerate(parts)]
        if level == 0:
            for tile, numbers in zip(new, _in_tiles([*unpack_ids(begun.ids), *ids]), strict=True):
                tile.ids, tile.first_id, tile.last_id = pack_ids(numbers), numbers[0], numbers[-1]
        tiles += new
        added = [rows_over(part)[-1][0] for part in parts if len(part) == TILE]
        level, width = level + 1, width * TILE
    return tiles


def _in_tiles(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), TILE):
        yield items[begin : begin + TILE]


def _begun(level: int, number: int, length: int) -> SealTile:
    """Return the tile that holds `length` hashes so far; an empty one when a new tile begins."""
    if not length:
        return SealTile(level=level, number=number, hashes=b"", ids=b"")
    tile = SealTile.objects.filter(level=level, number=number).first()
    if tile is None or len(tile.hashes) != length * HASH_BYTES:
        raise TreeDamaged(f"Tile {number} of level {level} of the sealed log does not hold {length} hashes.")
    return tile


def save(tiles: Sequence[SealTile]) -> None:
    """Write tiles of grown(): new ones, and those that have become longer. To be called in a transaction."""
    SealTile.objects.bulk_create(
        tiles,
        batch_size=100,
        update_conflicts=True,
        unique_fields=["level", "number"],
        update_fields=["hashes", "ids", "first_id", "last_id"],
    )
