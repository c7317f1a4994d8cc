"""Addresses and networks as a filter takes them, IPv4 and IPv6, and how entries of a network are found.

No index is kept for it. The index of words holds each address on a line of its own, so that the whole groups with which
the addresses of a network begin are looked up there, and the database compares exactly what was found.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import GenericIPAddressField, Lookup, Q
from django.db.models.sql.compiler import SQLCompiler

from activity.text_index import Term

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FUNCTION = "activity_in_network"
MOST_FORMS = 16  # beginnings of addresses that are looked up for one network
WIDEST = {4: 8, 6: 16}  # bits that a network has at least


def read_network(text: str) -> Network:
    """Return the network, which is one address where the text has no length. Raise ValueError with words for people."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise ValueError(
            f"“{text[:60]}” is no address and no network. Write it as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32."
        ) from error
    if network.prefixlen < WIDEST[network.version]:
        raise ValueError(f"A network of IPv{network.version} has at least /{WIDEST[network.version]} here.")
    return network


def term_of(network: Network) -> Term:
    """Return the condition that an entry came from the network, and how the index of words begins to look for it."""
    beginnings = _beginnings_of_4(network) if network.version == 4 else [_beginning_of_6(network)]
    return Term(tuple(f"\n{one}" for one in beginnings), Q(ip__in_network=str(network)))


def _beginnings_of_4(network: Network) -> list[str]:
    """Return with what its addresses begin: whole groups of digits, several where the network ends within one."""
    groups = str(network.network_address).split(".")
    whole, rest = divmod(network.prefixlen, 8)
    if whole == 4:
        return [".".join(groups)]
    held = ".".join(groups[:whole]) + "."
    count = 2 ** (8 - rest)
    if not rest or count > MOST_FORMS:
        return [held]
    first = int(groups[whole])
    return [f"{held}{number}{'' if whole == 3 else '.'}" for number in range(first, first + count)]


def _beginning_of_6(network: Network) -> str:
    """Return the first groups of its addresses as they are written, up to one that may be left out for being zero."""
    if network.prefixlen == 128:
        return str(network.network_address)
    held = ""
    for group in network.network_address.exploded.split(":")[: network.prefixlen // 16]:
        if int(group, 16) == 0:
            break
        held += f"{int(group, 16):x}:"
    return held


@GenericIPAddressField.register_lookup
class InNetwork(Lookup):
    """The lookup `ip__in_network="10.0.0.0/8"`."""

    lookup_name = "in_network"
    prepare_rhs = False

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Let PostgreSQL compare, which knows networks."""
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} <<= %s::inet", (*parameters, str(self.rhs))

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:
        """Let SQLite call a function of Python with the ends of the network."""
        column, parameters = self.process_lhs(compiler, connection)
        network = ipaddress.ip_network(str(self.rhs))
        ends = (network.network_address.packed, network.broadcast_address.packed)
        return f"{FUNCTION}({column}, %s, %s)", (*parameters, *ends)


def register(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Add the function that compares addresses to a new connection to SQLite."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(FUNCTION, 3, _is_between, deterministic=True)


def _is_between(text: Any, first: bytes, last: bytes) -> bool:
    if not isinstance(text, str):
        return False
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:  # what another program wrote is no address
        return False
    return len(packed) == len(first) and first <= packed <= last
