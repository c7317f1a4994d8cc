"""Limit the websockets that have shown no ticket yet, and decide which one is closed for another.

As for SSH clients (connection_limits.py), somebody who takes places without using them loses them, and others still get
in.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from websockets.asyncio.server import ServerConnection

from sessions_app.logins.throttle import network

MOST_SOCKETS = 200  # sockets, all together


class UnauthenticatedSockets:
    """All websockets of one gateway process that have shown no ticket."""

    def __init__(self) -> None:
        self._networks: dict[ServerConnection, str] = {}  # the oldest first

    def add(self, socket: ServerConnection, address: str) -> None:
        """Count a new socket. When there are too many, close the oldest of the network with the most."""
        self._networks[socket] = network(address)
        if len(self._networks) > MOST_SOCKETS:
            [(crowd, _)] = Counter(self._networks.values()).most_common(1)
            oldest = next(one for one, found in self._networks.items() if found == crowd)
            del self._networks[oldest]
            oldest.transport.abort()

    def is_from(self, socket: ServerConnection, address: str) -> None:
        """Correct the address of a socket behind our own proxy, from its headers."""
        if socket in self._networks:
            self._networks[socket] = network(address)

    def remove(self, socket: ServerConnection) -> None:
        """Count the socket out: it has shown its ticket, or is gone."""
        self._networks.pop(socket, None)

    def connection(self) -> type[ServerConnection]:
        """Return a class of sockets that count themselves, because handlers run after the handshake only."""
        sockets = self

        class Socket(ServerConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                peer = transport.get_extra_info("peername")
                sockets.add(self, peer[0] if peer else "")

            def connection_lost(self, exc: Exception | None) -> None:
                sockets.remove(self)
                super().connection_lost(exc)

        return Socket
