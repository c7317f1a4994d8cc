"""Verify the whole sealed log: every entry, every hash of the tree, every checkpoint, and what was signed about gaps.

The tree is made anew from the leaves, in one go through the log, and compared with each checkpoint when it has grown to
its size. So each checkpoint is consistent with all others if it has the root that the tree had there. Memory does
not grow with the log, but with the number of signed statements.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.db import connections
from django.db.models import Max

from activity.models import LogEntry
from activity.seal import statements, tree
from activity.seal.comparing import TILES_OF_PART, Compared, Comparison, Signed
from activity.seal.models import HASH_BYTES, TILE, Checkpoint, SealState, SealTile
from activity.seal.tree import TILE_BITS, rows_over, split_hashes
from activity.verify_sessionadmin import Frontier, VerifierKey

WORTH_PROCESSES = 200_000  # entries; fewer are compared sooner than other processes are there


@dataclasses.dataclass(slots=True)
class Verified:
    """What was compared, and how much of it was wrong."""

    size: int = 0  # leaves of the tree
    entries: int = 0
    pruned: int = 0
    erased: int = 0
    checkpoints: int = 0
    newest_checkpoint: int = 0  # how many leaves the newest one that holds has
    unsealed: int = 0  # entries after the last sealed one
    skipped: int = 0  # leaves before the time that was asked for
    findings: int = 0


class Verification:
    """One verification. `say` is called with each finding as soon as it is known."""

    def __init__(
        self,
        keys: Sequence[VerifierKey],
        say: Callable[[str], None],
        outside: Iterable[Signed] = (),
        progress: Callable[[int, int], None] = lambda done, size: None,
    ) -> None:
        self._keys, self._outside = tuple(keys), tuple(outside)
        self._say_it, self._progress = say, progress
        self._tree = Frontier()
        self._levels: list[list[bytes]] = []  # of each level from 1 on, the hashes of the tile that is not whole yet
        self._numbers: list[int] = []  # and its number
        self._last_good: int | None = None  # size of the newest checkpoint whose root was right
        self._wrong_roots = 0
        self.result = Verified()

    def run(self, processes: int | None = None, since: int = 0) -> Verified:
        """Verify all; compare entries from number `since` on only. Return what was found.

        `processes` is how many compare at once; none: as many as there are processors.
        """
        state = SealState.objects.filter(pk=SealState.THE_ROW).first() or SealState()
        result = self.result
        result.size = state.size
        said = statements.load(self._keys)
        for problem in said.problems:
            self._say(problem)
        first = self._skip_before(since, state.size)
        comparison = Comparison(state.size, self._keys, said, self._outside)
        many = processes or len(os.sched_getaffinity(0))
        if state.size - first * TILE < WORTH_PROCESSES and processes is None:
            many = 1
        parts = range(first, -(-state.size // TILE), TILES_OF_PART)
        last_id = 0
        with _compared(comparison, parts, many) as found:
            for part in found:
                last_id = part.span[1] or last_id
                self._take(part)
                self._progress(self._tree.size, state.size)
        self._end(state, last_id)
        return result

    def _skip_before(self, since: int, size: int) -> int:
        """Take the hashes of all tiles before that of entry `since` as they are. Return the first tile to compare."""
        if since <= 0:
            return 0
        tile = SealTile.objects.filter(level=0, last_id__gte=since).order_by("number").first()
        first = tile.number if tile is not None else size // TILE
        for above in SealTile.objects.filter(level=1, number__lte=first // TILE).order_by("number").iterator(10):
            for one in split_hashes(bytes(above.hashes))[: first - above.number * TILE]:
                self._grow(one)
        self.result.skipped = self._tree.size
        for given in sorted(self._outside, key=lambda outside: outside.size):
            if given.size <= self._tree.size:
                self._checkpoint_before(given)
        return self._tree.size // TILE

    def _checkpoint_before(self, one: Signed) -> None:
        """Compare a checkpoint from outside with the stored hashes of the leaves that are skipped."""
        self.result.checkpoints += 1
        try:
            is_right = tree.root(one.size) == one.root
        except tree.TreeDamaged as problem:
            self._say(f"{one.name} cannot be compared. {problem}")
            return
        if is_right:
            self._last_good = self.result.newest_checkpoint = one.size
        else:
            self._wrong_root(one)

    def _take(self, part: Compared) -> None:
        """Take in what was found in a part: grow the tree by it, and compare the roots of its checkpoints."""
        result = self.result
        result.entries, result.pruned = result.entries + part.entries, result.pruned + part.pruned
        result.erased += part.erased
        for text in part.findings:
            self._say(text)
        if part.unnamed:
            self._say(f"{part.unnamed:,} further findings between entries {part.span[0]:,} and {part.span[1]:,}.")
        signed = iter(sorted(part.signed, key=lambda one: one.size))
        checkpoint = next(signed, None)
        for root in (*part.roots, None):
            while checkpoint is not None and (root is None or checkpoint.size < self._tree.size + TILE):
                self._checkpoint(checkpoint)
                checkpoint = next(signed, None)
            if root is not None:
                self._grow(root)
        for leaf in part.tail:
            self._tree.append(leaf)

    def _checkpoint(self, one: Signed) -> None:
        self.result.checkpoints += 1
        if one.problem:
            self._say(one.problem)
            return
        grown = Frontier(self._tree.size, self._tree.hashes)
        for level, subtree in one.subtrees:
            grown.append_subtree(level, subtree)
        if grown.size == one.size and grown.root() == one.root:
            self._last_good = self.result.newest_checkpoint = one.size
        else:
            self._wrong_root(one)

    def _wrong_root(self, one: Signed) -> None:
        self._wrong_roots += 1
        if self._wrong_roots > 1:
            return
        after = f" after leaf {self._last_good - 1:,}, where an earlier checkpoint holds," if self._last_good else ""
        self._say(
            f"{one.name} has another root than the tree has: hashes of the tree before leaf {one.size:,}{after} were "
            "changed, together with their entries or without."
        )

    def _grow(self, root: bytes) -> None:
        """Add the root of a tile of leaves, and compare the tiles above that are whole by it."""
        self._tree.append_subtree(TILE_BITS, root)
        level = 0
        while True:
            if level == len(self._levels):
                self._levels.append([])
                self._numbers.append(0)
            hashes = self._levels[level]
            hashes.append(root)
            if len(hashes) < TILE:
                return
            self._compare_above(level + 1)
            root = rows_over(hashes)[-1][0]
            self._levels[level] = []
            self._numbers[level] += 1
            level += 1

    def _compare_above(self, level: int) -> None:
        """Compare the hashes that were made for a tile above the leaves with those that are stored."""
        hashes, number = b"".join(self._levels[level - 1]), self._numbers[level - 1]
        if not hashes:
            return
        stored = SealTile.objects.filter(level=level, number=number).first()
        if stored is None:
            self._say(f"Tile {number:,} of level {level} of the tree is missing.")
            return
        there = bytes(stored.hashes)[: len(hashes)]
        if there != hashes:
            width = TILE**level
            wrong = [
                at // HASH_BYTES
                for at in range(0, len(hashes), HASH_BYTES)
                if there[at : at + HASH_BYTES] != hashes[at : at + HASH_BYTES]
            ]
            first, last = ((number * TILE + at) * width for at in (wrong[0], wrong[-1] + 1))
            self._say(
                f"Tile {number:,} of level {level} of the tree does not fit what is below it: hashes of leaves "
                f"{first:,} to {last - 1:,} were changed."
            )

    def _end(self, state: SealState, last_id: int) -> None:
        for level in range(1, len(self._levels) + 1):
            self._compare_above(level)
        if self._wrong_roots > 1:
            self._say(f"{self._wrong_roots - 1:,} later checkpoints have another root than the tree, too.")
        self._beyond(state)
        if last_id and state.last_id != last_id:
            self._say(
                f"The log says that it is sealed up to entry {state.last_id:,}, but its tree ends at {last_id:,}."
            )
        self.result.unsealed = LogEntry.objects.filter(pk__gt=state.last_id).count()

    def _beyond(self, state: SealState) -> None:
        """Report checkpoints of more leaves than there are: the log was cut, or an old backup took its place."""
        for one in self._outside:
            if one.size > state.size:
                self._say(
                    f"{one.name} is of a larger log: the end of this one was cut off, or an old backup was restored. "
                    f"It has {state.size:,} sealed entries."
                )
        # Somebody may seal meanwhile, who writes the size last.
        largest = Checkpoint.objects.aggregate(largest=Max("size"))["largest"] or 0
        tile = SealTile.objects.filter(level=0).aggregate(last=Max("number"))["last"]
        now = SealState.objects.filter(pk=SealState.THE_ROW).aggregate(size=Max("size"))["size"] or 0
        if largest > now:
            self._say(
                f"There is a checkpoint of {largest:,} entries, but only {now:,} are sealed: the end of the log was "
                "cut off."
            )
        if tile is not None and tile * TILE >= now:
            self._say(f"The tree has hashes after leaf {now:,}, where it ends.")

    def _say(self, text: str) -> None:
        self.result.findings += 1
        self._say_it(text)


@contextlib.contextmanager
def _compared(comparison: Comparison, parts: range, processes: int) -> Iterator[Iterator[Compared]]:
    """Yield what is found in each part, in their order, compared by so many processes."""
    if processes == 1 or len(parts) < 2:
        yield map(comparison.compare, parts)
        return
    connections.close_all()  # no process may use the connection of another
    with multiprocessing.get_context("fork").Pool(processes, connections.close_all) as pool:
        yield pool.imap(comparison.compare, parts)
