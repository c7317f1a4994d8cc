"""Enforce on live connections what the database says of their sessions, and confirm it there.

change_listener.py wakes this, and every few seconds it looks by itself. Each look is one query. What differs is
enforced at once on the event loop, and confirmed separately, because the database may be busy with writes. This module
knows no action of an administrator: lock, terminate and logout are all changes of rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator

from django.utils import timezone

from sessions_app.gateway import connection_state, store
from sessions_app.gateway.connection_state import ConnectionState, EnforcedState
from sessions_app.gateway.enforcement import Disconnect, Freeze, decide
from sessions_app.gateway.flows.disconnect import Ending
from sessions_app.gateway.models import ConnectionEnd
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.relay import Relay

LOOK_EVERY_SECONDS = 5.0  # between two looks at the database, if no change is announced
LOOK_SPACING_SECONDS = 0.05  # between two looks at least, however many changes are announced
LOOK_SOON_SECONDS = 0.25  # until the next look while a row has no connection here yet
STALE_AFTER_SECONDS = 5.0  # after which an answer of the database is too old to act on
# Other processes mark our connections as lost after 15 s without a heartbeat; everything is frozen before that.
ISOLATED_AFTER_SECONDS = 10.0
ORPHAN_AFTER_SECONDS = 60.0  # after which a row without a connection is ended; opening one never takes as long
CLOCK_JUMP_SECONDS = 1.0  # by which the wall clock may differ from the monotonic clock between two looks
ISOLATED = Freeze(
    "One moment",
    "The gateway cannot reach its database. What you type now is lost; what your programs say comes later.",
    "You go on when it is back.",
    is_lock=False,
)

logger = logging.getLogger(__name__)


class ControlLoop:
    """Enforces the state of the database on all relays of one process."""

    def __init__(self, registry: Registry, changed: asyncio.Event) -> None:
        self._registry = registry
        self._changed = changed
        self._seen_at = time.monotonic()  # when the database last answered
        self._offset = _wall_offset()
        self._shown: dict[int, Freeze] = {}  # by connection: what a frozen one shows
        self._unknown: dict[int, float] = {}  # rows without a relay, since when
        self._looking: asyncio.Task[list[ConnectionState]] | None = None
        self._unconfirmed: dict[int, EnforcedState] = {}
        self._confirming: asyncio.Task[None] | None = None
        self._asked_at = self._seen_at
        self._known: set[int] = set()  # the connections that already had their row when `_looking` began

    async def run(self) -> None:
        """Check all connections again and again until cancelled. An error in one check does not end this."""
        while True:
            has_changed = await self._wait()
            self._changed.clear()
            try:
                if self._registry.relays or self._unknown or not has_changed:
                    await self.look()
                else:
                    self._seen_at = time.monotonic()
            except Exception:
                logger.exception("The state of the connections could not be read or confirmed; trying again")
                await asyncio.sleep(LOOK_SOON_SECONDS)
            self._freeze_if_isolated()
            await asyncio.sleep(LOOK_SPACING_SECONDS)

    async def look(self) -> None:
        """Read the state from the database, enforce what differs, and have it confirmed."""
        # If an earlier query still hangs, wait for it: a second one would hang too.
        if self._looking is None:
            self._known, self._asked_at = set(self._registry.relays), time.monotonic()
            self._looking = asyncio.create_task(
                store.call_first(connection_state.connection_states, self._registry.owner)
            )
        done, _ = await asyncio.wait({self._looking}, timeout=STALE_AFTER_SECONDS)
        if not done:
            raise TimeoutError("The database takes too long to answer")
        looking, self._looking = self._looking, None
        found = looking.result()
        if time.monotonic() - self._asked_at > STALE_AFTER_SECONDS:
            return
        self._seen_at = self._asked_at
        self._unconfirmed |= self._enforce({one.connection_id: one for one in found})
        if self._unconfirmed and self._confirming is None:
            self._confirming = asyncio.create_task(self._confirm())
        await self._end_orphans()

    async def _confirm(self) -> None:
        """Write what is in force until all is written.

        The next look finds again what could not be written.
        """
        try:
            while self._unconfirmed:
                now, self._unconfirmed = self._unconfirmed, {}
                await store.call(connection_state.confirm, list(now.values()))
        except Exception:
            logger.exception("What is in force could not be confirmed; trying again")
        finally:
            self._confirming = None

    async def _wait(self) -> bool:
        """Wait for a change or for the next look. Return whether it was a change."""
        try:
            async with asyncio.timeout(
                LOOK_SOON_SECONDS if self._unknown or self._is_isolated() else LOOK_EVERY_SECONDS
            ):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _enforce(self, rows: dict[int, ConnectionState]) -> dict[int, EnforcedState]:
        """Enforce all rows without giving way to other tasks. Return what must be confirmed, by connection."""
        has_jumped = self._has_clock_jumped()
        enforced = {}
        for connection_id, relay in list(self._registry.relays.items()):
            row = rows.get(connection_id)
            if row is None:
                if connection_id in self._known:
                    with _apart(relay):
                        relay.disconnect(
                            ConnectionEnd.LOST, "The gateway was out of touch for too long. Connect again."
                        )
                continue
            with _apart(relay):
                is_frozen = self._enforce_one(relay, row, has_jumped)
                if row.newest != row.confirmed or is_frozen != row.is_frozen:
                    enforced[connection_id] = EnforcedState(connection_id, row.newest, is_frozen)
        now = time.monotonic()
        unknown = rows.keys() - self._registry.relays.keys()
        self._unknown = {one: self._unknown.get(one, now) for one in unknown}
        self._shown = {one: text for one, text in self._shown.items() if one in self._registry.relays}
        return enforced

    def _enforce_one(self, relay: Relay, row: ConnectionState, has_jumped: bool) -> bool:
        """Enforce the state of one connection. Return whether the connection is frozen now."""
        wanted = decide(row, timezone.now())
        if isinstance(wanted, Disconnect):
            relay.disconnect(wanted.end, wanted.text)
            return row.is_frozen
        relay.can_extend = row.can_extend
        if has_jumped or row.end_at != relay.end_at:
            is_extended = row.end_at is not None and row.end_at > relay.end_at
            relay.retime(row.end_at)
            if is_extended:
                relay.notice(f"Extended: this session ends at {row.end_at:%H:%M} UTC.")
        self._set_frozen(relay, wanted)
        return wanted is not None

    def _set_frozen(self, relay: Relay, wanted: Freeze | None) -> None:
        if wanted is None:
            self._shown.pop(relay.connection_id, None)
            relay.unfreeze()
        elif not relay.is_frozen or self._shown.get(relay.connection_id) != wanted:
            self._shown[relay.connection_id] = wanted
            relay.freeze(wanted.title, wanted.message, wanted.until, is_lock=wanted.is_lock, by=wanted.by)

    def _has_clock_jumped(self) -> bool:
        before, self._offset = self._offset, _wall_offset()
        return abs(self._offset - before) > CLOCK_JUMP_SECONDS

    def _is_isolated(self) -> bool:
        return time.monotonic() - self._seen_at > ISOLATED_AFTER_SECONDS

    def _freeze_if_isolated(self) -> None:
        """Freeze every connection while the database cannot be reached.

        A lock or a cut may be asked for meanwhile that the gateway cannot see.
        """
        if self._is_isolated():
            for relay in list(self._registry.relays.values()):
                if not relay.is_frozen:
                    with _apart(relay):
                        self._set_frozen(relay, ISOLATED)

    async def _end_orphans(self) -> None:
        """End rows of this gateway without a connection: their end could not be stored when it happened."""
        now = time.monotonic()
        over = [one for one, since in self._unknown.items() if now - since > ORPHAN_AFTER_SECONDS]
        if over:
            ends = [Ending(one, ConnectionEnd.FAILED, "Its end was not noted in time") for one in over]
            await store.call(store.ended, ends)
            self._unknown = {one: since for one, since in self._unknown.items() if one not in over}


@contextlib.contextmanager
def _apart(relay: Relay) -> Iterator[None]:
    """Drop a connection that cannot be controlled, so that it does not affect the others."""
    try:
        yield
    except Exception:
        logger.exception("Connection %s could not be controlled; it is dropped", relay.connection_id)
        relay.drop()


def _wall_offset() -> float:
    return time.time() - time.monotonic()
