"""Limit the SSH clients of one gateway, and decide which one is dropped when there are too many.

This module knows a client's address and, once it is authenticated, its user.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

import asyncssh
from django.conf import settings

from sessions_app.gateway.registry import Registry
from sessions_app.logins.throttle import network


class Client(Protocol):
    """A connection of a client."""

    address: str
    connection: asyncssh.SSHServerConnection


@dataclass
class ConnectionLimits:
    """All client connections of one gateway."""

    registry: Registry
    _unauthenticated: dict[Client, str] = field(
        default_factory=dict
    )  # with its network, the one that came first in front
    _authenticated: dict[Client, int] = field(default_factory=dict)  # with its user

    def add(self, client: Client) -> None:
        """Count a client that is not authenticated yet.

        When there are too many of those, the oldest of the network with the most is dropped. So somebody who takes
        places without using them loses them, and others can still log in.
        """
        self._unauthenticated[client] = network(client.address)
        if len(self._unauthenticated) > settings.GATEWAY_UNAUTHENTICATED:
            [(crowd, _)] = Counter(self._unauthenticated.values()).most_common(1)
            oldest = next(one for one, found in self._unauthenticated.items() if found == crowd)
            del self._unauthenticated[oldest]
            oldest.connection.abort()

    def authenticated(self, client: Client, user_id: int) -> bool:
        """Count the client as this user's. Return False when the user has too many connections already."""
        self._unauthenticated.pop(client, None)
        limit: int = settings.GATEWAY_CONNECTIONS_PER_USER
        is_one_too_many = sum(found == user_id for found in self._authenticated.values()) >= limit
        if not is_one_too_many:
            self._authenticated[client] = user_id
        return not is_one_too_many

    def remove(self, client: Client) -> None:
        self._unauthenticated.pop(client, None)
        self._authenticated.pop(client, None)
