"""Writes the GeoIP file of the sample data, with the places of `sample_places`, in the format of GeoLite2 City."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mmdb_writer import MmdbU16, MMDBWriter
from netaddr import IPSet

from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES, SamplePlace

DATABASE_TYPE = "SessionAdmin-Sample-City"


def write_sample_database(target: Path) -> None:
    """Write the file at `target` atomically, and make its directories. Raise OSError."""
    writer = MMDBWriter(
        ip_version=6,
        database_type=DATABASE_TYPE,
        languages=["en"],
        description="Places for the sample data on documentation addresses",
        ipv4_compatible=True,
    )
    for place in SAMPLE_PLACES:
        writer.insert_network(IPSet(place.networks), _record(place))
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        writer.to_db_file(str(part))
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _record(place: SamplePlace) -> dict[str, object]:
    record: dict[str, object] = {
        "city": {"names": {"en": place.city}},
        "country": {"iso_code": place.country_code, "names": {"en": place.country}},
        "location": {
            "accuracy_radius": MmdbU16(place.radius_km),
            "latitude": place.latitude,
            "longitude": place.longitude,
        },
    }
    if place.region:
        record["subdivisions"] = [{"names": {"en": place.region}}]
    return record
