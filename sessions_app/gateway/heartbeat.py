"""This gateway says every 5 seconds that it is there, and looks every second whether another one is not."""

from __future__ import annotations

import asyncio
import logging
import time

from sessions_app.gateway import store
from sessions_app.gateway.registry import Registry
from sessions_app.health import gateways

logger = logging.getLogger(__name__)


async def first(registry: Registry) -> None:
    """Before anybody is let in. Raises what the database raises."""
    await store.call(gateways.beat, registry.owner)


async def run(registry: Registry) -> None:
    """Until cancelled. While the database does not answer it is tried again every second."""
    reaper = gateways.Reaper()
    next_beat = time.monotonic() + gateways.BEAT_EVERY
    while True:
        await asyncio.sleep(gateways.REAP_EVERY)
        try:
            if time.monotonic() >= next_beat:
                await store.call_first(gateways.beat, registry.owner, is_draining=registry.is_draining)
                next_beat = time.monotonic() + gateways.BEAT_EVERY
            await store.call_first(reaper.look)
        except Exception:
            logger.exception("The heartbeat could not be written; trying again")
