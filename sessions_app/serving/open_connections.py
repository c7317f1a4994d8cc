"""Limit the open sockets of one web process, and decide which one is closed when there are too many.

This module knows only the network of a connection, and whether anything would be lost with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

PER_NETWORK = 100  # sockets of one address, for IPv6 of one /64; our own proxies may have any number


class Member(Protocol):
    """A socket of a client."""

    @property
    def network(self) -> str:
        """Return the network it comes from; empty for our own proxies, which serve many people."""

    @property
    def is_waiting(self) -> bool:
        """Return whether the server waits for the client: for a request, for its rest, or for reading."""

    def drop(self) -> None:
        """Close the socket at once."""


@dataclass
class OpenConnections:
    """The open sockets of clients, the oldest first."""

    most: int
    _members: dict[Member, str] = field(default_factory=dict)
    _networks: Counter[str] = field(default_factory=Counter)

    def came(self, member: Member) -> None:
        """Count `member` in, and close a socket when there are too many.

        The oldest that waits in the network of `member` is closed when that network has too many, else the oldest that
        waits in the network with the most. When none waits there, `member` itself is closed.
        """
        self._members[member] = member.network
        self._networks[member.network] += 1
        if member.network and self._networks[member.network] > PER_NETWORK:
            self._make_room(member.network, member)
        elif len(self._members) > self.most:
            [(largest, _)] = self._networks.most_common(1)
            self._make_room(largest, member)

    def left(self, member: Member) -> None:
        """Count `member` out. A second call does nothing."""
        network = self._members.pop(member, None)
        if network is None:
            return
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]

    def _make_room(self, network: str, newcomer: Member) -> None:
        waiting = (
            one for one, its in self._members.items() if its == network and one.is_waiting and one is not newcomer
        )
        goes = next(waiting, newcomer)
        self.left(goes)
        goes.drop()
