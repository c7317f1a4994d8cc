"""Stop a gateway: refuse new connections, tell people and give them time, then close what is left."""

from __future__ import annotations

import asyncio
import logging

from sessions_app.gateway import heartbeats, store
from sessions_app.gateway.models import ConnectionEnd
from sessions_app.gateway.registry import Registry

CLOSE_SECONDS = 10.0  # seconds for connections to close and be noted
LOOK_EVERY_SECONDS = 0.1

logger = logging.getLogger(__name__)


async def drain(registry: Registry, seconds: float, hurry: asyncio.Event) -> None:
    """Stop the connections, after the listeners were closed. `hurry` ends the waiting at once.

    1. Others see that this gateway takes no new connections.

    2. Each person is told, and may finish within `seconds`.

    3. The rest is closed with the reason, and noted.

    4. The heartbeat is deleted. Without a database it stays, and the reaper of another process does the rest.
    """
    registry.is_draining = True
    try:
        await store.call_first(heartbeats.beat, registry.owner, is_draining=True)
    except Exception:
        logger.exception("The stop of gateway %s could not be written to the database", registry.owner)
    text = f"This gateway stops in {seconds:.0f} seconds. Save your work, and connect again after that."
    for relay in list(registry.relays.values()):
        relay.notice(text)
    await _until_empty(registry, seconds, hurry)
    for relay in list(registry.relays.values()):
        relay.disconnect(ConnectionEnd.DRAINED, "This gateway has stopped. Connect again: your session goes on.")
    await _until_empty(registry, CLOSE_SECONDS, asyncio.Event())
    if registry.relays:
        logger.error("%s connections did not close in time", len(registry.relays))
    try:
        await store.call_first(heartbeats.stopped, registry.owner)
    except Exception:
        logger.exception(
            "The end of gateway %s could not be written to the database, so it will look as if it had died",
            registry.owner,
        )


async def _until_empty(registry: Registry, seconds: float, hurry: asyncio.Event) -> None:
    """Wait until no connection is left, the time is over, or `hurry` is set."""
    try:
        async with asyncio.timeout(seconds):
            while registry.relays and not hurry.is_set():
                await asyncio.sleep(LOOK_EVERY_SECONDS)
    except TimeoutError:
        logger.info("%s connections are left", len(registry.relays))
