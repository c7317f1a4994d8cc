"""All sockets of one web process: how many there may be, and which one goes when there are too many.

Knows of a connection its network and whether anything would be lost with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

PER_NETWORK = 100  # sockets of one address, for IPv6 of one /64; our own proxies may have any number


class Member(Protocol):
    """One socket."""

    @property
    def network(self) -> str:
        """Where it comes from; empty for our own proxies, which speak for many people."""

    @property
    def is_waiting(self) -> bool:
        """Whether it is the client that we wait for: for a request, for the rest of one, or for reading the answer."""

    def drop(self) -> None:
        """Close it at once."""


@dataclass
class Crowd:
    """The sockets that are open, the oldest in front."""

    most: int
    _members: dict[Member, str] = field(default_factory=dict)
    _networks: Counter[str] = field(default_factory=Counter)

    def came(self, member: Member) -> None:
        """Take `member` in. When there are too many, the oldest that waits of its network goes, or else of the network
        that has the most; when nobody waits there, `member` itself goes."""
        self._members[member] = member.network
        self._networks[member.network] += 1
        if member.network and self._networks[member.network] > PER_NETWORK:
            self._make_room(member.network, member)
        elif len(self._members) > self.most:
            [(largest, _)] = self._networks.most_common(1)
            self._make_room(largest, member)

    def left(self, member: Member) -> None:
        """It is gone. Harmless when it is called twice."""
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
