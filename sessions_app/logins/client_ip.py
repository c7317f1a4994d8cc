"""Finds the address that a request really came from. Pure functions on the WSGI environment and the trusted proxies.

Anybody can write `X-Forwarded-For`, so it counts only as far as our own proxies have written it: read it from the
right, and stop at the first address that is not one of our proxies (docs/geoip.md, "Behind a proxy"). Empty elements
are skipped (RFC 9110, 5.6.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNIX_SOCKET = "unix"  # an entry of TRUSTED_PROXIES: a proxy on this machine that connects through a unix socket


class Source(Enum):
    """Where an address was read."""

    UNKNOWN = ""
    PEER = "peer"  # the connection itself
    HEADER = "header"  # X-Forwarded-For
    PROXY = "proxy"  # the connection of one of our proxies, whose header names nobody


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The address of a client, how it was found, and through which of our proxies it came, the nearest first."""

    address: str = ""  # in its shortest spelling; empty: unknown
    source: Source = Source.UNKNOWN
    proxies: tuple[str, ...] = ()


def client_ip(meta: Mapping[str, str], trusted_proxies: Sequence[str]) -> str:
    """Return the client's address in its shortest spelling; an empty string if it is unknown."""
    return client_address(meta, trusted_proxies).address


def client_address(meta: Mapping[str, str], trusted_proxies: Sequence[str]) -> ClientAddress:
    """Return the client's address, and how it was found.

    `meta` is `request.META`; `trusted_proxies` are CIDRs, plain addresses, or "unix". Never raises: an entry that is no
    network trusts nobody (`invalid_networks` finds such entries for the system check).
    """
    networks, is_unix_trusted = _trusted(tuple(trusted_proxies))
    peer_text = meta.get("REMOTE_ADDR", "") or ""
    peer = parse_address(peer_text)
    if peer is None:
        if not (is_unix_trusted and _is_unix_socket(peer_text)):
            return ClientAddress()
    elif not _is_in(peer, networks):
        return ClientAddress(str(peer), Source.PEER)
    proxies = [UNIX_SOCKET if peer is None else str(peer)]
    hop, source = peer, Source.UNKNOWN if peer is None else Source.PROXY
    for entry in reversed((meta.get("HTTP_X_FORWARDED_FOR", "") or "").split(",")):
        if not entry.strip():
            continue
        address = parse_address(entry)
        if address is None:
            break
        if source is Source.HEADER:
            proxies.append(str(hop))
        hop, source = address, Source.HEADER
        if not _is_in(address, networks):
            break
    return ClientAddress("" if hop is None else str(hop), source, tuple(proxies))


@lru_cache(maxsize=1000)  # pure: the same text is the same address
def parse_address(text: str) -> Address | None:
    """Return the address in `text`, or None.

    Port, brackets and zone id are removed, and ::ffff:192.0.2.1 becomes 192.0.2.1.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    text = text.partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def invalid_networks(trusted_proxies: Sequence[str]) -> list[str]:
    """Return the entries of TRUSTED_PROXIES that are neither a network nor "unix"."""
    return [entry for entry in trusted_proxies if entry.strip() != UNIX_SOCKET and _network(entry) is None]


def networks_of_everybody(trusted_proxies: Sequence[str]) -> list[str]:
    """Return the entries of TRUSTED_PROXIES that trust the whole internet, so that anybody could claim any address."""
    networks = {entry: _network(entry) for entry in trusted_proxies}
    return [entry for entry, network in networks.items() if network is not None and network.prefixlen == 0]


@lru_cache(maxsize=8)  # pure: a setting, read once
def _trusted(entries: tuple[str, ...]) -> tuple[tuple[Network, ...], bool]:
    networks = tuple(network for network in map(_network, entries) if network is not None)
    return networks, any(entry.strip() == UNIX_SOCKET for entry in entries)


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry.strip(), strict=False)
    except ValueError:
        return None


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _is_unix_socket(peer: str) -> bool:
    # gunicorn leaves REMOTE_ADDR empty for a unix socket, uWSGI and others write "unix:" or a path.
    return not peer or peer.startswith(("unix:", "/"))


def is_trusted(peer: str, trusted_proxies: Sequence[str]) -> bool:
    """Return whether the address of a socket belongs to one of our own proxies."""
    networks, is_unix_trusted = _trusted(tuple(trusted_proxies))
    address = parse_address(peer)
    return _is_in(address, networks) if address is not None else is_unix_trusted and _is_unix_socket(peer)
