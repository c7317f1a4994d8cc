"""Sends the log to one destination: each entry at least once, in the order of the ids.

The row of the destination has a cursor, which moves after a batch was delivered. A worker that dies leaves the cursor
where it was, so the next one sends that batch again. A receiver of syslog does not say what it has: after a break,
sending goes on from the entry that was sent a minute before (CONFIRMED_AFTER). A webhook says it with each answer.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from django.db.models import Q
from django.utils import timezone

from activity.models import LogEntry
from activity.seal.models import Checkpoint
from sessions_app.siem import message as messages
from sessions_app.siem.backlog import LEASE
from sessions_app.siem.errors import DeliveryError
from sessions_app.siem.gaps import find_gap, report_gap
from sessions_app.siem.message import Message
from sessions_app.siem.models import DeliveryState, Destination
from sessions_app.siem.outlet import Outlet

logger = logging.getLogger(__name__)

BATCH = 500  # entries that are read, and sent, at a time
MOST_CHECKPOINTS = 100  # sent at a time
RENEW_AFTER = dt.timedelta(seconds=20)
CONFIRMED_AFTER = 60.0  # seconds for which a connection must stand after a message, until the message counts as read


class LeaseLost(Exception):
    """Another worker sends to the destination now, or a person changed where its delivery is."""


class Delivery:
    """The delivery of one worker to one destination. `pause` says how long to wait after the n-th failure in a row."""

    def __init__(self, owner: str, stop: threading.Event, pause: Callable[[int], dt.timedelta]) -> None:
        self._owner, self._stop, self._pause = owner, stop, pause
        self._outlet: Outlet | None = None
        self._sent: deque[tuple[float, int]] = deque()  # when which entry was sent through the open connection
        self._newest_sent = time.monotonic()

    def look(self, destination: Destination, newest: int) -> None:
        """Send what is due, up to the entry `newest`, unless another worker does or a failure is to be waited out.

        Raises the database's error. What goes wrong with the delivery is written into its state.
        """
        state = self._claimed(destination)
        if state is None:
            self.close()
            return
        if self._outlet is not None and not self._outlet.is_for(destination):
            self.close()  # its settings were changed
        if state.next_attempt_at is not None and timezone.now() < state.next_attempt_at <= timezone.now() + LEASE * 10:
            return
        try:
            self._send(destination, state, newest)
        except DeliveryError as error:
            self.close()
            self._failed(destination, state, error)
        except LeaseLost:
            self.close()

    def close(self) -> None:
        """Close the connection, if there is one."""
        outlet, self._outlet = self._outlet, None
        self._sent.clear()
        if outlet is not None:
            outlet.close()

    def give_back(self, destination: Destination) -> None:
        """Let another worker send at once."""
        self.close()
        DeliveryState.objects.filter(pk=destination.pk, lease=self._owner).update(lease="", lease_until=None)

    def _claimed(self, destination: Destination) -> DeliveryState | None:
        """Return the state if this worker may send, after taking or renewing its lease."""
        now = timezone.now()
        state = DeliveryState.objects.filter(pk=destination.pk).first()
        if state is None:
            return None
        mine = state.lease == self._owner
        if mine and state.lease_until is not None and now < state.lease_until - LEASE + RENEW_AFTER:
            return state
        free = Q(lease="") | Q(lease_until__lt=now) | Q(lease_until__gt=now + LEASE * 10)  # the clock was wrong
        until = now + LEASE
        if not DeliveryState.objects.filter(free | Q(lease=self._owner), pk=state.pk).update(
            lease=self._owner, lease_until=until
        ):
            return None
        if not mine:  # another one may have sent since the row was read
            self.close()
            return DeliveryState.objects.get(pk=state.pk)
        state.lease_until = until
        return state

    def _send(self, destination: Destination, state: DeliveryState, newest: int) -> None:
        if self._outlet is not None:
            self._outlet.check()
            self._confirm(state)
        gap = find_gap(state)
        if gap is not None:
            self._write(state, pruned=gap.pruned)
            if gap.count:
                report_gap(destination, gap)
                self._deliver(destination, state, [gap.message(destination)])
        if self._outlet is None and state.cursor > state.confirmed:
            self._open(destination, state)  # what was sent before the break is not sure to be there
        while state.cursor < newest and not self._stop.is_set():
            self._send_batch(destination, state, newest)
        if destination.has_checkpoints:
            self._send_checkpoints(destination, state)
        self._send_heartbeat(destination, state, newest)

    def _send_batch(self, destination: Destination, state: DeliveryState, newest: int) -> None:
        """Send the next entries, and move the cursor behind them and behind those that the filter leaves out."""
        rows = LogEntry.objects.filter(pk__gt=state.cursor, pk__lte=newest).order_by("pk")[:BATCH]
        entries = list(rows)
        last = entries[-1].pk if len(entries) == BATCH else newest
        wanted = [entry for entry in entries if destination.wants(entry)]
        if wanted and self._outlet is None and self._open(destination, state):
            return  # sending begins further back
        for part, upto in self._parts(wanted, last):
            self._deliver(destination, state, [messages.of_entry(entry) for entry in part])
            self._moved(state, upto)
        if not wanted:
            self._moved(state, last)

    def _parts(self, wanted: Sequence[LogEntry], last: int) -> Iterator[tuple[Sequence[LogEntry], int]]:
        """Cut the entries of a batch into what is noted as delivered together: all, or a few for a webhook."""
        size = self._outlet.noted_together if self._outlet is not None else BATCH
        for start in range(0, len(wanted), size):
            part = wanted[start : start + size]
            yield part, last if start + size >= len(wanted) else part[-1].pk

    def _deliver(self, destination: Destination, state: DeliveryState, batch: Sequence[Message]) -> None:
        if self._outlet is None:
            self._open(destination, state)
        assert self._outlet is not None  # noqa: S101 - for the type checker; _open() raises otherwise
        now = timezone.now()
        if state.lease_until is None or now > state.lease_until - LEASE + RENEW_AFTER:
            self._write(state, lease_until=now + LEASE)
        self._outlet.send(batch)
        self._newest_sent = time.monotonic()
        values = {"delivered_at": timezone.now(), "delivered": state.delivered + len(batch)}
        if state.attempts or state.next_attempt_at is not None:
            values |= {"attempts": 0, "next_attempt_at": None}
        self._write(state, **values)

    def _open(self, destination: Destination, state: DeliveryState) -> bool:
        """Connect. Return whether sending has to go on from an earlier entry than the cursor."""
        self._outlet = Outlet(destination)
        goes_back = state.cursor != state.confirmed
        if goes_back:  # the newest checkpoint too: it vouches for all before it
            self._write(state, cursor=state.confirmed, checkpoint=max(state.checkpoint - 1, 0))
        return goes_back

    def _moved(self, state: DeliveryState, cursor: int) -> None:
        """Note that everything up to this entry was sent."""
        if self._outlet is not None and not self._outlet.is_sure:
            self._sent.append((time.monotonic(), cursor))
            self._write(state, cursor=cursor)
        else:
            self._write(state, cursor=cursor, confirmed=cursor)

    def _confirm(self, state: DeliveryState) -> None:
        """Note as read what was sent a minute ago through the connection, which still stands."""
        before = time.monotonic() - CONFIRMED_AFTER
        confirmed = state.confirmed
        while self._sent and self._sent[0][0] < before:
            _, confirmed = self._sent.popleft()
        if confirmed > state.confirmed:
            self._write(state, confirmed=confirmed)

    def _send_checkpoints(self, destination: Destination, state: DeliveryState) -> None:
        found = list(Checkpoint.objects.filter(pk__gt=state.checkpoint).order_by("pk")[:MOST_CHECKPOINTS])
        if found:
            self._deliver(destination, state, [messages.of_checkpoint(one) for one in found])
            self._write(state, checkpoint=found[-1].pk)

    def _send_heartbeat(self, destination: Destination, state: DeliveryState, newest: int) -> None:
        if destination.heartbeat is None:
            return
        if time.monotonic() - self._newest_sent >= destination.heartbeat.total_seconds():
            self._deliver(destination, state, [messages.heartbeat(newest)])

    def _failed(self, destination: Destination, state: DeliveryState, error: DeliveryError) -> None:
        attempts = state.attempts + 1
        wait = self._pause(attempts)
        logger.warning("SIEM destination %s: %s Tried again in %d s", destination, error, wait.total_seconds() + 1)
        now = timezone.now()
        state.set(
            self._owner, attempts=attempts, next_attempt_at=now + wait, last_error=str(error)[:300], failed_at=now
        )

    def _write(self, state: DeliveryState, **values: object) -> None:
        """Write fields of the state. Raise LeaseLost if the destination is no longer this worker's."""
        if not state.set(self._owner, **values):
            raise LeaseLost
