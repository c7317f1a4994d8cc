"""Decides to which addresses a webhook may go, so that nobody reaches the console's own network through it.

The host name is looked up at each delivery, and the connection goes to an address that was checked: a name that changes
between the check and the connection gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sessions_app.siem.errors import DeliveryError

Address = IPv4Address | IPv6Address

# Where clouds answer with credentials, beside 169.254.169.254, which is link-local.
METADATA = frozenset(map(ip_address, ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254")))
# IPv6 addresses whose last four bytes are an IPv4 address that a translator reaches: RFC 6052, RFC 8215, RFC 4291.
TRANSLATED = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")))


def checked_addresses(host: str, port: int, *, allows_private: bool) -> list[str]:
    """Return the addresses of `host` to which a webhook may go. Raise DeliveryError if there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DeliveryError(f"The name {host} is not known.") from None
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    refused = {address: refusal(address, allows_private=allows_private) for address in addresses}
    allowed = [address for address in addresses if not refused[address]]
    if not allowed:
        address, reason = next(iter(refused.items()))
        raise DeliveryError(f"{host} is {address}, {reason}. Nothing was sent.")
    return allowed


def refusal(text: str, *, allows_private: bool) -> str:
    """Return why no webhook goes to this address; an empty string if it may."""
    for address in _meant(ip_address(text.partition("%")[0])):
        if address.is_link_local or address in METADATA:
            return "where a cloud gives out credentials, or a link-local address: no webhook goes there"
        if address.is_unspecified or address.is_multicast or address == IPv4Address("255.255.255.255"):
            return "which is not the address of one machine"
        if not address.is_global and not allows_private:
            return "an address of a private network, which the settings of this destination do not allow"
    return ""


def _meant(address: Address) -> Iterator[Address]:
    """Yield the address, and every IPv4 address that it stands for."""
    yield_self = True
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            yield_self = False  # the same place
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo
        if any(address in network for network in TRANSLATED) and int(address) > 1:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
    if yield_self:
        yield address
