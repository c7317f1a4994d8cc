"""Looks up where an address is in the configured GeoIP file. Does not know requests or the database.

The process has one file, which is opened once and watched. It is replaced by a newer file only after that one has
passed its test. The location is that of the network's exit and not of the person: with a VPN or a mobile network it may
be another continent, which `accuracy_km` tells.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import IO, Generic, Protocol, TypeVar

from django.conf import settings
from geoip2.models import City
from geoip2.records import PlaceRecord

from sessions_app.logins.client_ip import Address, parse_address
from sessions_app.logins.geoip.file import CityFile, FileFacts, GeoipFileError, read_into_memory

logger = logging.getLogger(__name__)

CHECK_INTERVAL = 15.0  # seconds between two looks at the file
UNKNOWN_CITY = "Unknown"
PRIVATE_CITY = "Private network"
NAME_LENGTH = 100

# Addresses that are valid only in their own network. The documentation ranges are not among them
# (`ipaddress` counts them as private): the sample data uses them.
PRIVATE_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "::1/128",
        "fe80::/10",
        "fc00::/7",  # unique local, RFC 4193
    )
)


@dataclass(frozen=True)
class Place:
    """The location of an address.

    `city` is never empty; `accuracy_km` is the radius in kilometres that the database states.
    """

    city: str = UNKNOWN_CITY
    region: str = ""
    country: str = ""
    country_code: str = ""
    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: int | None = None

    @property
    def label(self) -> str:
        """Return the location in one line: "Bern, Switzerland", "Private network" or "Unknown"."""
        town = self.city if self.city != UNKNOWN_CITY else self.region
        return ", ".join(part for part in (town, self.country) if part) or UNKNOWN_CITY


UNKNOWN = Place()
PRIVATE = Place(city=PRIVATE_CITY)


@dataclass(frozen=True)
class Attribution:
    """The sentence that a licence requires wherever the data is shown, and where it links to."""

    text: str
    url: str

    def __str__(self) -> str:
        return self.text


# By how the database's type begins. The paid ones of the same makers (GeoIP2-City, DBIP-City) ask for nothing.
ATTRIBUTIONS = {
    "GeoLite": Attribution(
        "This product includes GeoLite2 data created by MaxMind, available from maxmind.com",
        "https://www.maxmind.com",
    ),
    "DBIP-ASN-Lite": Attribution("IP Geolocation by DB-IP", "https://db-ip.com"),
    "DBIP-City-Lite": Attribution("IP Geolocation by DB-IP", "https://db-ip.com"),
}


@dataclass(frozen=True)
class GeoipStatus:
    """The state of the database in use.

    With a `refused_reason` the file at `path` is not used, but an older one or none.
    """

    configured: bool
    path: str = ""
    database_type: str = ""
    built_at: datetime | None = None
    refused_reason: str = ""

    @property
    def is_usable(self) -> bool:
        """Return whether there is a database for look-ups."""
        return self.built_at is not None

    @property
    def attribution(self) -> Attribution | None:
        """Return what must be shown beside locations; None if the database requires nothing."""
        mentions = (mention for begin, mention in ATTRIBUTIONS.items() if self.database_type.startswith(begin))
        return next(mentions, None)


class DatabaseFile(Protocol):
    """What a watched file tells about itself."""

    facts: FileFacts


File = TypeVar("File", bound=DatabaseFile)


class WatchedDatabase(Generic[File]):
    """The file at a configured path, reloaded when it changes. Thread-safe.

    It calls `os.stat` at most once in 15 seconds. While one thread reads a new file, the others use the old one.
    """

    def __init__(
        self,
        path: Callable[[], str],
        read: Callable[[IO[bytes]], File],
        what: str = "Locations",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configured_path = path
        self._read = read
        self._what = what
        self._clock = clock
        self._lock = threading.Lock()
        self._next_look = -math.inf
        self._signature: tuple[int, ...] | None = None
        self._file: File | None = None
        self._status = GeoipStatus(configured=False)

    def current(self) -> File | None:
        """Return the file to use now, or None."""
        self._refresh()
        return self._file

    def status(self) -> GeoipStatus:
        """Return which file is in use, and what is wrong with the configured one."""
        self._refresh()
        return self._status

    def report_damage(self, file: File, reason: str) -> None:
        """Remember that a look-up in `file` has failed. Log only the first failure."""
        with self._lock:
            if file is self._file and not self._status.refused_reason:
                self._refuse(reason)

    def _refresh(self) -> None:
        path = self._configured_path()
        is_same_path = path == self._status.path
        if is_same_path and self._clock() < self._next_look:
            return
        # A thread that has a file to use does not wait for the thread that reads the new one.
        if not self._lock.acquire(blocking=not (is_same_path and self._next_look > -math.inf)):
            return
        try:
            if path != self._status.path:
                self._file, self._signature = None, None
                self._status = GeoipStatus(configured=bool(path), path=path)
            elif self._clock() < self._next_look:
                return
            if path:
                self._reload(path)
            self._next_look = self._clock() + CHECK_INTERVAL
        finally:
            self._lock.release()

    def _reload(self, path: str) -> None:
        """Load the file at `path` if it is new. A file that fails its test changes only the status."""
        try:
            stat = os.stat(path)
            signature = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if signature == self._signature:
                return
            self._signature = signature
            with open(path, "rb") as opened:
                self._file = self._read(opened)
        except GeoipFileError as error:
            self._refuse(str(error))
        except OSError as error:
            self._signature = None
            self._refuse("there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or "error")
        else:
            facts = self._file.facts
            self._status = GeoipStatus(True, path, facts.database_type, facts.built_at)
            logger.info("GeoIP database %s in use: %s built %s", path, facts.database_type, facts.built_at.date())

    def _refuse(self, reason: str) -> None:
        if self._status.refused_reason != reason:
            consequence = "The one loaded before stays in use." if self._file else f"{self._what} will say Unknown."
            logger.warning("GeoIP database %s is refused: %s. %s", self._status.path, reason, consequence)
        self._status = replace(self._status, refused_reason=reason)


def configured_path() -> str:
    """Return the file to use. A trial goes on from the sample's places to a city database as soon as there is one."""
    path = str(settings.GEOIP_DATABASE or "")
    if settings.IS_TRIAL and (not path or path.endswith("sample.mmdb")):
        city = os.path.join(settings.VAR_DIR, "geoip", "city.mmdb")
        return city if os.path.isfile(city) else path
    return path


DATABASE: WatchedDatabase[CityFile] = WatchedDatabase(configured_path, read_into_memory)


def locate(ip: str) -> Place:
    """Return the place of `ip`. Never raises: what is no address or in no database is `UNKNOWN`."""
    address = parse_address(ip)
    if address is None:
        return UNKNOWN
    if is_private(address):
        return PRIVATE
    file = DATABASE.current()
    if file is None:
        return UNKNOWN
    try:
        record = file.find(address)
    except GeoipFileError as error:
        DATABASE.report_damage(file, str(error))
        return UNKNOWN
    return UNKNOWN if record is None else place_from(record)


def status() -> GeoipStatus:
    """Return the state of the GeoIP database of this process."""
    return DATABASE.status()


def is_private(address: Address) -> bool:
    """Return whether the address is valid only in its own network."""
    return any(address.version == network.version and address in network for network in PRIVATE_NETWORKS)


def place_from(record: City) -> Place:
    """Return the place in the record, without parts that are missing or have a wrong type."""
    country = record.country if record.country.names or record.country.iso_code else record.registered_country
    latitude, longitude = _number(record.location.latitude, 90), _number(record.location.longitude, 180)
    has_point = latitude is not None and longitude is not None
    radius: object = record.location.accuracy_radius
    code: object = country.iso_code
    return Place(
        city=_name(record.city) or UNKNOWN_CITY,
        region=_name(record.subdivisions.most_specific),
        country=_name(country),
        country_code=code if isinstance(code, str) and len(code) == 2 else "",
        latitude=latitude if has_point else None,
        longitude=longitude if has_point else None,
        accuracy_km=radius if isinstance(radius, int) and not isinstance(radius, bool) and has_point else None,
    )


def _name(record: PlaceRecord) -> str:
    """Return the English name, or another one.

    `record.name` knows only English, and fails if the names are not a map.
    """
    names: object = record.names
    if not isinstance(names, Mapping):
        return ""
    name = names.get("en") or next(iter(names.values()), "")
    return "".join(c for c in name if c.isprintable())[:NAME_LENGTH].strip() if isinstance(name, str) else ""


def _number(value: object, limit: float) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= limit:
        return None
    return float(value)
