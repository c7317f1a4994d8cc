"""Seal the log: give entries the next leaves of the tree, in batches, each in one short transaction.

Any number of processes may do it at once. Each computes a batch from the size that it has read, and writes it only if
the tree still has that size; so two never give the same leaf twice, and a process that dies leaves nothing behind.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections.abc import Callable, Sequence

from django.db import connections, router, transaction
from django.utils import timezone

from activity.models import LogEntry
from activity.seal import checkpoints, tree
from activity.seal.models import SealState
from activity.seal.rows import read_entries
from activity.seal.signing import NoSigningKey
from activity.settled import SettledEntries
from activity.verify_sessionadmin import leaf_hash

BATCH = 2_560  # entries of one transaction: ten tiles
HELD_FOR = dt.timedelta(seconds=10)  # how long others leave the sealing to who sealed last
WORTH_SAYING = dt.timedelta(seconds=10)  # an open transaction that holds sealing back is noted after that time

logger = logging.getLogger(__name__)


class Sealing:
    """The sealing of one process. It remembers which open transactions it waits for."""

    def __init__(self, name: str, settled: SettledEntries | None = None) -> None:
        self.name = name[:60]
        self.settled = settled or SettledEntries()

    def seal(self, go_on: Callable[[], bool] = lambda: True, *, is_alone: bool = False) -> int:
        """Seal what can be sealed now, and make the checkpoints that are due. Return how many entries were sealed.

        It stops between two batches when `go_on()` is false. While another process seals, it does nothing, unless
        `is_alone`. Raise TreeDamaged.
        """
        state = SealState.current()
        if not is_alone and state.is_held_by_another(self.name):
            return 0
        newest = self.settled.newest()
        self._note_waiting(state)
        size, last_id, sealed = state.size, state.last_id, 0
        rows = read_entries(connections[router.db_for_write(LogEntry)], last_id, newest)
        while last_id < newest and go_on():
            part = list(itertools.islice(rows, BATCH))
            if not part or not self._add(part, size, last_id):
                break
            size, last_id, sealed = size + len(part), part[-1][0], sealed + len(part)
            self._checkpoint()
        self._checkpoint()
        return sealed

    def _add(self, part: Sequence[tuple[int, bytes]], size: int, last_id: int) -> bool:
        """Give these entries the next leaves. Return False, and write nothing, when another process was quicker."""
        ids = [number for number, _ in part]
        leaves = [leaf_hash(data) for _, data in part]
        now = timezone.now()
        with transaction.atomic():
            unchanged = SealState.objects.filter(pk=SealState.THE_ROW, size=size, last_id=last_id)
            changed = unchanged.update(
                size=size + len(ids), last_id=ids[-1], sealed_at=now, holder=self.name, held_until=now + HELD_FOR
            )
            if changed:
                tree.save(tree.grown(size, ids, leaves))
        return bool(changed)

    def _checkpoint(self) -> None:
        """Make a checkpoint if one is due. Without a key the sealing goes on; Health says that it is missing."""
        try:
            checkpoints.make_if_due()
        except NoSigningKey as error:
            logger.warning("No checkpoint was made: %s", error)

    def _note_waiting(self, state: SealState) -> None:
        """Write down since when an open transaction holds the sealing back, for Health, when that has changed."""
        since = self.settled.waiting_since
        if since is not None and timezone.now() - since < WORTH_SAYING:
            since = None
        if since != state.waiting_since:
            why = self.settled.waiting_for() if since is not None else ""
            SealState.objects.filter(pk=state.pk).update(waiting_since=since, waiting_for=why[:200])
