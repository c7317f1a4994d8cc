"""The addresses and formats of free city databases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from urllib.parse import urlsplit

MAXMIND_URL = "https://download.maxmind.com"
DBIP_URL = "https://download.db-ip.com"


class Packing(Enum):
    """How the file of a database is compressed."""

    GZIP = "gzip"
    TAR_GZIP = "tar.gz"


@dataclass(frozen=True)
class Source:
    """One database to download: the addresses to try in order, and how to check and unpack the file."""

    name: str
    urls: tuple[str, ...]
    packing: Packing
    checksum_url: str = ""  # answers with a sha256 in hexadecimal and a file name
    credentials: tuple[str, str] | None = field(default=None, repr=False)  # account and licence key: never shown


def maxmind(account_id: str, licence_key: str, base_url: str = "") -> Source:
    """Return the source of GeoLite2 City. Raise ValueError if the licence key would be sent unencrypted.

    MaxMind's addresses: https://dev.maxmind.com/geoip/updating-databases (direct downloads).
    """
    base_url = (base_url or MAXMIND_URL).rstrip("/")
    parts = urlsplit(base_url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError(f"{base_url} is not https: the licence key would travel unencrypted.")
    download = f"{base_url}/geoip/databases/GeoLite2-City/download?suffix=tar.gz"
    return Source(
        name="GeoLite2 City",
        urls=(download,),
        packing=Packing.TAR_GZIP,
        checksum_url=f"{download}.sha256",
        credentials=(account_id, licence_key),
    )


def dbip(today: date, base_url: str = "") -> Source:
    """Return the source of DB-IP City Lite of this month, with last month's as the second address."""
    base_url = (base_url or DBIP_URL).rstrip("/")
    last_month = today.replace(day=1) - timedelta(days=1)
    return Source(
        name="DB-IP City Lite",
        urls=tuple(f"{base_url}/free/dbip-city-lite-{month:%Y-%m}.mmdb.gz" for month in (today, last_month)),
        packing=Packing.GZIP,
    )
