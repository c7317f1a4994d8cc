"""Sockets at the browser's door that have shown no ticket yet: how many there may be, and which one goes for another.

As for SSH clients (doors.py): whoever holds places without using them loses them, and others still get in.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from websockets.asyncio.server import ServerConnection

from sessions_app.logins.throttle import network

MOST = 200  # sockets, all together


class UnauthenticatedSockets:
    """All of them of one gateway process."""

    def __init__(self) -> None:
        self._networks: dict[ServerConnection, str] = {}  # the one that came first in front

    def came(self, socket: ServerConnection, address: str) -> None:
        """It has said nothing. When there are too many, the oldest of the network that has the most goes."""
        self._networks[socket] = network(address)
        if len(self._networks) > MOST:
            [(crowd, _)] = Counter(self._networks.values()).most_common(1)
            oldest = next(one for one, found in self._networks.items() if found == crowd)
            del self._networks[oldest]
            oldest.transport.abort()

    def is_from(self, socket: ServerConnection, address: str) -> None:
        """Its headers say, behind our own proxy, where it really comes from."""
        if socket in self._networks:
            self._networks[socket] = network(address)

    def left(self, socket: ServerConnection) -> None:
        """It has shown its ticket, or is gone."""
        self._networks.pop(socket, None)

    def connection(self) -> type[ServerConnection]:
        """Return the class of sockets that tell when they come and go: handlers run after the handshake only."""
        strangers = self

        class Socket(ServerConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                peer = transport.get_extra_info("peername")
                strangers.came(self, peer[0] if peer else "")

            def connection_lost(self, exc: Exception | None) -> None:
                strangers.left(self)
                super().connection_lost(exc)

        return Socket
