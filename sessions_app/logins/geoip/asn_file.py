"""Opens, tests and reads one file of networks in MaxMind's format. Does not know settings or downloads.

GeoLite2 ASN and DB-IP ASN Lite name the same two fields: the number of the autonomous system, and whose it is.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import maxminddb

from sessions_app.logins.geoip.file import (
    DAMAGED,
    METADATA_SPACE,
    NOT_WHOLE,
    Address,
    FileFacts,
    GeoipFileError,
    check_end,
    facts_of,
    probes,
    unreadable,
)

ASN = "ASN"  # in the type of every file of networks
NAME_LENGTH = 100
LARGEST = 2**32 - 1  # RFC 6793


@dataclass(frozen=True, slots=True)
class Network:
    """The network that an address belongs to: the number of its autonomous system, and whose it is."""

    number: int | None = None
    name: str = ""


class AsnFile:
    """An open file of networks that has passed its test look-ups. Many threads can use it at the same time."""

    def __init__(self, reader: maxminddb.Reader) -> None:
        self._reader = reader
        self._has_ipv6 = reader.metadata().ip_version == 6
        self.facts: FileFacts = facts_of(reader.metadata(), (ASN,), "a database of networks (ASN)")

    def find(self, address: Address) -> Network | None:
        """Return the network of `address`; None if there is none. Raise GeoipFileError at a damaged position."""
        if address.version == 6 and not self._has_ipv6:
            return None
        try:
            record = self._reader.get(address)
        except DAMAGED as error:
            raise GeoipFileError(f"the file is damaged: looking up {address} failed ({error})") from error
        return _network(record) if isinstance(record, dict) else None

    def close(self) -> None:
        """Close the file, after which it cannot be used."""
        self._reader.close()


def read_into_memory(file: IO[bytes]) -> AsnFile:
    """Read the whole of `file` and test it. Raise GeoipFileError."""
    try:
        content = file.read()
    except OSError as error:
        raise GeoipFileError(unreadable(error)) from error
    check_end(content[-METADATA_SPACE:])
    try:
        reader = maxminddb.open_database(io.BytesIO(content), maxminddb.MODE_FD)
    except DAMAGED as error:
        raise GeoipFileError(NOT_WHOLE) from error
    opened = AsnFile(reader)
    for address in probes():
        opened.find(address)
    return opened


def try_out(path: Path) -> FileFacts:
    """Open the file at `path`, make the test look-ups and close it. Raise GeoipFileError."""
    try:
        with path.open("rb") as file:
            opened = read_into_memory(file)
    except OSError as error:
        raise GeoipFileError(unreadable(error)) from error
    opened.close()
    return opened.facts


def _network(record: object) -> Network:
    """Return the network in the record, without parts that are missing or have a wrong type."""
    if not isinstance(record, dict):
        return Network()
    number, name = record.get("autonomous_system_number"), record.get("autonomous_system_organization")
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number <= LARGEST
    shown = "".join(c for c in name if c.isprintable())[:NAME_LENGTH].strip() if isinstance(name, str) else ""
    return Network(number if is_number else None, shown)
