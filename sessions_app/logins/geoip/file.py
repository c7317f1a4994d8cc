"""Opens, tests and reads one city file in MaxMind's format, by geoip2. Does not know settings or downloads.

A file is accepted only after test look-ups all over the address space, because a file that was cut short or partly
overwritten can still have valid metadata.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import IO

from geoip2.database import MODE_FD, MODE_FILE, Reader
from geoip2.errors import AddressNotFoundError
from geoip2.models import City
from maxminddb import InvalidDatabaseError
from maxminddb.decoder import Decoder
from maxminddb.reader import Metadata

Address = IPv4Address | IPv6Address

# What the decoder of geoip2 raises for damaged bytes, and what its models raise for records that
# are not those of a city.
DAMAGED = (
    InvalidDatabaseError,
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
METADATA_MARKER = b"\xab\xcd\xefMaxMind.com"
METADATA_SPACE = 128 * 1024  # bytes at the end of the file where the format says to look for the marker
NOT_WHOLE = "it is not a whole MaxMind database (cut short, or another kind of file)"
FIRST_BUILD = datetime(2010, 1, 1, tzinfo=UTC)  # the format did not exist before this year
CITY, ENTERPRISE = "City", "Enterprise"  # geoip2 chooses its model by these words in the type
PROBES = 256  # test look-ups per address family, spread evenly; about 5 ms
KNOWN_PROBES = ("1.1.1.1", "8.8.8.8", "9.9.9.9", "192.0.2.1", "2001:4860:4860::8888", "2606:4700:4700::1111")


class GeoipFileError(Exception):
    """The file cannot be used. The message says why, for an administrator."""


@dataclass(frozen=True)
class FileFacts:
    """What a database says about itself."""

    database_type: str
    built_at: datetime
    node_count: int


class CityFile:
    """An open city database that has passed its test look-ups. Many threads can use it at the same time."""

    def __init__(self, reader: Reader, facts: FileFacts) -> None:
        self._reader = reader
        self._look_up: Callable[[Address], City] = reader.city if CITY in facts.database_type else reader.enterprise
        self._has_ipv6 = reader.metadata().ip_version == 6
        self.facts = facts

    def find(self, address: Address) -> City | None:
        """Return the record of `address`; None if there is none. Raise GeoipFileError at a damaged position.

        geoip2 does not check its models: a field may have any type.
        """
        if address.version == 6 and not self._has_ipv6:
            return None
        try:
            return self._look_up(address)
        except AddressNotFoundError:
            return None
        except DAMAGED as error:
            raise GeoipFileError(f"the file is damaged: looking up {address} failed ({error})") from error

    def close(self) -> None:
        """Close the file, after which it cannot be used."""
        self._reader.close()


def read_into_memory(file: IO[bytes]) -> CityFile:
    """Read the whole of `file` and test it. Raise GeoipFileError.

    A memory map would be cut off if somebody copied a new file over the old one, and the server would be killed
    (SIGBUS). In memory the old file stays whole until the new one has passed its test.
    """
    try:
        content = file.read()
    except OSError as error:
        raise GeoipFileError(unreadable(error)) from error
    check_end(content[-METADATA_SPACE:])
    return _open(io.BytesIO(content), MODE_FD)


def try_out(path: Path) -> FileFacts:
    """Open the file at `path`, make the test look-ups and close it.

    Raise GeoipFileError. It reads only a part of the file.
    """
    try:
        with path.open("rb") as file:
            file.seek(-min(METADATA_SPACE, file.seek(0, os.SEEK_END)), os.SEEK_END)
            check_end(file.read())
        city_file = _open(path, MODE_FILE)
    except OSError as error:
        raise GeoipFileError(unreadable(error)) from error
    city_file.close()
    return city_file.facts


def unreadable(error: OSError) -> str:
    """Return why a file cannot be read, for an administrator."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"it cannot be read ({error.strerror or error})"


def check_end(tail: bytes) -> None:
    """Raise GeoipFileError if the end of the file is missing.

    The metadata is at the end, and its reader does not notice missing bytes.
    """
    start = tail.rfind(METADATA_MARKER)
    if start < 0:
        raise GeoipFileError(NOT_WHOLE)
    start += len(METADATA_MARKER)
    try:
        _, end = Decoder(tail, start).decode(start)
    except DAMAGED as error:
        raise GeoipFileError(NOT_WHOLE) from error
    if end > len(tail):
        raise GeoipFileError(NOT_WHOLE)


def _open(source: Path | IO[bytes], mode: int) -> CityFile:
    try:
        reader = Reader(source, mode=mode)
    except DAMAGED as error:
        raise GeoipFileError(NOT_WHOLE) from error
    try:
        city_file = CityFile(reader, facts_of(reader.metadata(), (CITY, ENTERPRISE), "a city database"))
        for address in probes():
            city_file.find(address)
    except GeoipFileError:
        reader.close()
        raise
    return city_file


def facts_of(metadata: Metadata, kinds: Sequence[str], needed: str) -> FileFacts:
    """Return what the metadata says. Raise GeoipFileError if its type names none of `kinds`, or it cannot be true."""
    database_type = str(metadata.database_type)[:100]
    if not any(kind in database_type for kind in kinds):
        raise GeoipFileError(f"it is a {database_type} database; {needed} is needed")
    if metadata.node_count == 0:
        raise GeoipFileError("it holds no addresses")
    try:
        built_at = datetime.fromtimestamp(metadata.build_epoch, UTC)
    except (OverflowError, ValueError, TypeError, OSError) as error:
        raise GeoipFileError(f"its build date is impossible ({metadata.build_epoch})") from error
    if not FIRST_BUILD <= built_at <= datetime.now(UTC) + timedelta(days=2):
        raise GeoipFileError(f"its build date is impossible ({built_at:%Y-%m-%d}); check this machine's clock too")
    return FileFacts(database_type, built_at, metadata.node_count)


def probes() -> list[Address]:
    """Return the addresses of the test look-ups."""
    known: list[Address] = [IPv6Address(text) if ":" in text else IPv4Address(text) for text in KNOWN_PROBES]
    spread4 = [IPv4Address((2 * i + 1) * 2**32 // (2 * PROBES)) for i in range(PROBES)]
    # Only 2000::/3 is global unicast.
    spread6 = [IPv6Address((1 << 125) + (2 * i + 1) * 2**125 // (2 * PROBES)) for i in range(PROBES)]
    return [*known, *spread4, *spread6]
