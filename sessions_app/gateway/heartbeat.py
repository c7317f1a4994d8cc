"""This gateway says that it is there, looks whether another one is not, says who typed in a browser's terminal, and
ends login sessions whose time is over, and their terminals with them: a worker does that too, and may be away."""

from __future__ import annotations

import asyncio
import logging
import time

from sessions_app.gateway import store
from sessions_app.gateway.registry import Registry
from sessions_app.health import gateways
from sessions_app.logins import recorder

TOUCH_EVERY = 60.0  # seconds

logger = logging.getLogger(__name__)


async def first(registry: Registry) -> None:
    """Before anybody is let in. Raises what the database raises."""
    await store.call(gateways.beat, registry.owner)


async def run(registry: Registry) -> None:
    """Until cancelled. While the database does not answer it is tried again every second."""
    reaper = gateways.Reaper()
    next_beat = time.monotonic() + gateways.BEAT_EVERY
    next_touch = 0.0
    typed: dict[int, int] = {}
    while True:
        await asyncio.sleep(gateways.REAP_EVERY)
        try:
            if time.monotonic() >= next_beat:
                await store.call_first(gateways.beat, registry.owner, is_draining=registry.is_draining)
                next_beat = time.monotonic() + gateways.BEAT_EVERY
            await store.call_first(reaper.look)
            if time.monotonic() >= next_touch:
                typed = await _touch(registry, typed)
                await store.call(recorder.end_expired)
                next_touch = time.monotonic() + TOUCH_EVERY
        except Exception:
            logger.exception("The heartbeat could not be written; trying again")


async def _touch(registry: Registry, before: dict[int, int]) -> dict[int, int]:
    """Bytes typed by connection; those that have more than before are not idle."""
    typed = {relay.connection_id: relay.bytes_in for relay in list(registry.relays.values())}
    if active := [one for one, count in typed.items() if count > before.get(one, 0)]:
        await store.call(recorder.touch_terminals, active)
    return typed
