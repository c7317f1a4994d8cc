"""What pruning leaves of the sealed log: the hashes that the rest needs, and a signed statement of the gap.

A tile of 256 leaves that were all deleted loses its hashes and the numbers of its entries: the level above keeps the
hash over all of them. It keeps them when a checkpoint ends within it, so that every checkpoint can still be verified.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from activity.seal import statements
from activity.seal.models import TILE, Checkpoint, SealTile
from activity.seal.statements import Range
from activity.seal.tree import unpack_ids

TILES_AT_ONCE = 500


def leaves_of(ids: Iterable[int]) -> list[Range]:
    """Return the ranges of leaves that these entries are, whose numbers rise. Those that have no leaf are left out."""
    ranges: list[Range] = []
    wanted = iter(ids)
    number = next(wanted, None)
    tiles = SealTile.objects.filter(level=0, last_id__gte=number or 0).order_by("number")
    for tile in tiles.iterator(chunk_size=TILES_AT_ONCE):
        if number is None:
            break
        for leaf, entry_id in enumerate(unpack_ids(bytes(tile.ids)), tile.number * TILE):
            while number is not None and number < entry_id:
                number = next(wanted, None)
            if number == entry_id:
                _add(ranges, leaf)
    return ranges


def _add(ranges: list[Range], leaf: int) -> None:
    if ranges and ranges[-1][1] == leaf:
        ranges[-1] = (ranges[-1][0], leaf + 1)
    else:
        ranges.append((leaf, leaf + 1))


def leave_a_statement(entry_id: int, ranges: Sequence[Range], before: dt.datetime) -> None:
    """Sign what was deleted, and take away the hashes that nothing needs any more. To be called in a transaction.

    Raise NoSigningKey.
    """
    statements.sign_pruned(entry_id, ranges, before)
    for first, after in _whole_tiles(ranges):
        for begin in range(first, after, TILES_AT_ONCE):
            end = min(begin + TILES_AT_ONCE, after)
            sizes = Checkpoint.objects.filter(size__gt=begin * TILE, size__lt=end * TILE).values_list("size", flat=True)
            needed = {size // TILE for size in sizes if size % TILE}
            tiles = SealTile.objects.filter(level=0, number__gte=begin, number__lt=end)
            tiles.exclude(number__in=needed).update(hashes=b"", ids=b"")


def _whole_tiles(ranges: Sequence[Range]) -> Iterator[Range]:
    """Yield the ranges of tiles of which every leaf was deleted."""
    for first, after in ranges:
        begin, end = -(-first // TILE), after // TILE
        if begin < end:
            yield begin, end
