"""Networks as administrators type them, one a line: "10.0.0.0/8", "2001:db8::/32", "192.0.2.7". Pure functions."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

MOST_NETWORKS = 200
SHOWN = 6  # networks in a sentence
EXAMPLE = "10.20.0.0/16 or 2001:db8::/32"


class BadNetworks(ValueError):
    """The text is no list of networks. The message tells the person why, and what to write."""


def read_networks(text: str) -> str:
    """Return the networks that a person typed as they are stored: one a line, each once. Raise BadNetworks."""
    networks: list[str] = []
    for word in text.replace(",", " ").split():
        written = str(_network(word))
        if written not in networks:
            networks.append(written)
    if len(networks) > MOST_NETWORKS:
        raise BadNetworks(f"These are {len(networks)} networks; at most {MOST_NETWORKS} fit.")
    return "\n".join(networks)


def _network(word: str) -> Network:
    try:
        wider = ip_network(word, strict=False)
    except ValueError:
        raise BadNetworks(f"“{word[:60]}” is no network. Write for instance {EXAMPLE}.") from None
    if isinstance(wider, IPv6Network) and wider.network_address.ipv4_mapped is not None:
        raise BadNetworks(f"“{word}” is a network of IPv4 in the form of IPv6. Write it as {EXAMPLE}.")
    try:
        return ip_network(word)
    except ValueError as error:
        raise BadNetworks(
            f"“{word}” is an address inside a network. Write {wider}, or {word.partition('/')[0]} alone."
        ) from error


def in_one_line(stored: str) -> str:
    """Return the networks, or the first of many, as a part of a sentence."""
    lines = stored.splitlines()
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return ", ".join(lines[:SHOWN]) + more


def is_inside(address: str, stored: str) -> bool:
    """Return whether the address lies in one of the networks. An address that is not known lies in none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in _networks(stored))


@lru_cache(maxsize=1000)  # every request of a person with such a rule asks
def _networks(stored: str) -> tuple[Network, ...]:
    return tuple(ip_network(line) for line in stored.splitlines())
