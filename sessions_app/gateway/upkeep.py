"""The regular tasks of a gateway: its heartbeat, the reaper, and the end of expired login sessions.

It also notes who typed in a browser's terminal. A worker ends login sessions too, but may be away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection

from django.db.models import Q
from django.utils import timezone

from sessions_app.gateway import heartbeats, store
from sessions_app.gateway.models import EntryPoint, GatewayConnection
from sessions_app.gateway.registry import Registry
from sessions_app.logins import service
from sessions_app.logins.expiry import used_at
from sessions_app.logins.models import LoginSession

TOUCH_EVERY_SECONDS = 60.0

logger = logging.getLogger(__name__)


async def first(registry: Registry) -> None:
    """Send the first heartbeat, before anybody is let in. Raises the database's error."""
    await store.call(heartbeats.beat, registry.owner)


async def run(registry: Registry) -> None:
    """Do the tasks until cancelled. While the database does not answer, they are tried again every second."""
    reaper = heartbeats.Reaper()
    next_beat = time.monotonic() + heartbeats.BEAT_EVERY_SECONDS
    next_touch = 0.0
    typed: dict[int, int] = {}
    while True:
        await asyncio.sleep(heartbeats.REAP_EVERY_SECONDS)
        try:
            if time.monotonic() >= next_beat:
                await store.call_first(heartbeats.beat, registry.owner, is_draining=registry.is_draining)
                next_beat = time.monotonic() + heartbeats.BEAT_EVERY_SECONDS
            await store.call_first(reaper.look)
            if time.monotonic() >= next_touch:
                typed = await _touch(registry, typed)
                await store.call(service.end_expired)
                await store.call(service.end_outside_hours)
                next_touch = time.monotonic() + TOUCH_EVERY_SECONDS
        except Exception:
            logger.exception("The heartbeat could not be written; trying again")


def touch_terminals(connections: Collection[int]) -> None:
    """Note the last access of the login sessions in whose terminals something was typed.

    They are those of browsers, and of SSH clients with a key. `connections` are ids of gateway connections. A person
    who works in a terminal is not idle.
    """
    now = timezone.now()
    typed = GatewayConnection.objects.open().filter(pk__in=connections)
    typed = typed.filter(Q(entry_point=EntryPoint.BROWSER) | ~Q(key=None))
    late = LoginSession.objects.live().filter(last_access_at__lt=now - service.ACCESS_RESOLUTION)
    late.filter(pk__in=typed.values("login_session")).update(**used_at(now))


async def _touch(registry: Registry, before: dict[int, int]) -> dict[int, int]:
    """Note that people who typed since `before` are not idle. Return the typed bytes by connection."""
    typed = {relay.connection_id: relay.bridge.bytes_in for relay in list(registry.relays.values())}
    if active := [one for one, count in typed.items() if count > before.get(one, 0)]:
        await store.call(touch_terminals, active)
    return typed
