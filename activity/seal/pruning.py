"""What pruning leaves of the sealed log: the hashes that the rest needs, and a signed statement of the gap.

A tile of 256 leaves that were all deleted loses its hashes and the numbers of its entries: the level above keeps the
hash over all of them. It keeps them when a checkpoint ends within it, so that every checkpoint can still be verified.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from django.db import connection

from activity.seal import signing, statements, tree
from activity.seal.models import TILE, Checkpoint, SealTile
from activity.seal.rows import read_entries
from activity.seal.statements import Erasure, Range
from activity.seal.tree import rows_over, split_hashes, unpack_ids
from activity.verify_sessionadmin import leaf_hash

TILES_AT_ONCE = 500


class NotAsSealed(Exception):
    """An entry that would be deleted is not the one that was sealed. The text is for the person."""


def leaves_of(ids: Iterable[int]) -> list[Range]:
    """Return the ranges of leaves that these entries are, whose numbers rise. Those that have no leaf are left out."""
    ranges: list[Range] = []
    for _, found in _found(ids):
        for leaf, _ in found:
            _add(ranges, leaf)
    return ranges


def unchanged_leaves_of(ids: Iterable[int]) -> list[Range]:
    """Return what leaves_of() does. Raise NotAsSealed for an entry that was changed, or lost its hash, since.

    Else who dates an entry back in the database would have its deletion stated by the next pruning.
    """
    size = tree.size()  # first: another process may seal meanwhile
    if SealTile.objects.filter(level=0).count() * TILE < size:
        raise NotAsSealed("Hashes of the sealed log are missing. Run sessionadmin verify_log.")
    ranges: list[Range] = []
    erasures = statements.load(signing.public_keys()).erasures
    for tile, found in _found(ids):
        hashes = _hashes(tile)
        leaves = {entry_id: leaf for leaf, entry_id in found}
        for number, data in read_entries(connection, found[0][1] - 1, found[-1][1]):
            leaf, now = leaves.get(number, -1), leaf_hash(data)
            if leaf < 0 or now == hashes[leaf - tile.number * TILE]:
                continue
            erasure = Erasure(number, hashes[leaf - tile.number * TILE], now)
            if erasures.get(leaf) != erasure:
                raise NotAsSealed(f"Entry {number} was changed after it was sealed. Run sessionadmin verify_log.")
        for leaf, _ in found:
            _add(ranges, leaf)
    return ranges


def _hashes(tile: SealTile) -> list[bytes]:
    """Return the hashes of a tile, which must be those under the hash that stays. Raise NotAsSealed."""
    hashes = split_hashes(bytes(tile.hashes))
    if len(hashes) == TILE:
        above, place = divmod(tile.number, TILE)
        kept = SealTile.objects.filter(level=1, number=above).first()
        there = split_hashes(bytes(kept.hashes))[place : place + 1] if kept is not None else []
        if there == [rows_over(hashes)[-1][0]]:
            return hashes
    elif len(hashes) == len(tile.ids) // 8:
        return hashes
    raise NotAsSealed(f"Hashes of the sealed log were changed, in tile {tile.number}. Run sessionadmin verify_log.")


def _found(ids: Iterable[int]) -> Iterator[tuple[SealTile, list[tuple[int, int]]]]:
    """Yield each tile that has leaves of these entries, and leaf and number of each."""
    wanted = iter(ids)
    number = next(wanted, None)
    tiles = SealTile.objects.filter(level=0, last_id__gte=number or 0).order_by("number")
    for tile in tiles.iterator(chunk_size=TILES_AT_ONCE):
        if number is None:
            break
        found = []
        for leaf, entry_id in enumerate(unpack_ids(bytes(tile.ids)), tile.number * TILE):
            while number is not None and number < entry_id:
                number = next(wanted, None)
            if number == entry_id:
                found.append((leaf, entry_id))
        if found:
            yield tile, found


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
