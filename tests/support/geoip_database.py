"""Small GeoIP databases, written for one test."""

from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet


def write_database(path: Path, city: str, database_type: str = "Test-City") -> None:
    write_record(path, {"city": {"names": {"en": city}}, "country": {"iso_code": "CH"}}, database_type)


def write_record(path: Path, record: dict[str, Any] | str, database_type: str = "Test-City") -> None:
    """Write a database that knows only 198.51.100.0/24, an address range that no test looks up."""
    writer = MMDBWriter(ip_version=4, database_type=database_type, languages=["en"], description="test")
    writer.insert_network(IPSet(["198.51.100.0/24"]), record)
    fresh = path.with_suffix(".new")
    writer.to_db_file(str(fresh))
    fresh.replace(path)
