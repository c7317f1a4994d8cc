"""How many SSH clients one gateway has at its door, and who goes when there are too many.

Knows of a client its address and, once that is proved, its person.
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
    """One client connection."""

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
        """It has proved nothing. When there are too many of those, the oldest of the network that has the most goes:
        whoever holds places without using them loses them, and others can still log in."""
        self._unauthenticated[client] = network(client.address)
        if len(self._unauthenticated) > settings.GATEWAY_UNAUTHENTICATED:
            [(crowd, _)] = Counter(self._unauthenticated.values()).most_common(1)
            oldest = next(one for one, found in self._unauthenticated.items() if found == crowd)
            del self._unauthenticated[oldest]
            oldest.connection.abort()

    def authenticated(self, client: Client, user_id: int) -> bool:
        """It is that person's; False when they have too many already, whether they use them or not."""
        self._unauthenticated.pop(client, None)
        limit: int = settings.GATEWAY_CONNECTIONS_PER_USER
        is_one_too_many = sum(found == user_id for found in self._authenticated.values()) >= limit
        if not is_one_too_many:
            self._authenticated[client] = user_id
        return not is_one_too_many

    def remove(self, client: Client) -> None:
        """It is gone."""
        self._unauthenticated.pop(client, None)
        self._authenticated.pop(client, None)
