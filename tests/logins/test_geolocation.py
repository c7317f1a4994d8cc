"""Every address gets a place, and a bad GeoIP file never takes a good one away."""

import logging
import os
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from django.db.models import CharField
from geoip2.models import City
from pytest_django import Settings

from sessions_app.logins import geolocation
from sessions_app.logins.geoip.file import read_into_memory
from sessions_app.logins.geoip.sample_file import write_sample_database
from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES, UNKNOWN_ADDRESS
from sessions_app.logins.geolocation import (
    CHECK_INTERVAL,
    UNKNOWN,
    GeoipStatus,
    Place,
    WatchedDatabase,
    locate,
    place_from,
)
from sessions_app.logins.models import LoginSession
from tests.support.geoip_database import write_database, write_record


@pytest.fixture
def sample(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "sample.mmdb"
    write_sample_database(path)
    settings.GEOIP_DATABASE = str(path)
    return path


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A watched database with a clock that the test sets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.database = WatchedDatabase(lambda: str(path), read_into_memory, clock=self.clock)

    def city(self) -> str:
        file = self.database.current()
        record = file.find(ip_address("198.51.100.7")) if file else None
        return place_from(record).city if record else "-"

    def later(self) -> "Watched":
        self.clock.now += CHECK_INTERVAL + 0.1
        return self


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    path = tmp_path / "city.mmdb"
    write_database(path, "Old town")
    return Watched(path)


def test_an_address_is_found_with_all_that_is_known(sample: Path) -> None:
    assert locate("192.0.2.1") == Place("Bern", "Canton of Bern", "Switzerland", "CH", 46.948, 7.4474, 10)
    assert locate("192.0.2.1").label == "Bern, Switzerland"


def test_every_sample_place_is_found_by_every_kind_of_address(sample: Path) -> None:
    for expected in SAMPLE_PLACES:
        for address in (expected.address(0), expected.address(15), expected.address6(0), expected.address6(99_999)):
            found = locate(address)
            assert (found.city, found.country_code) == (expected.city, expected.country_code), address


PRIVATE = ["10.1.2.3", "172.31.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1"]
PRIVATE += ["::1", "fe80::1%eth0", "fd12::1", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_say_private_network_with_and_without_a_database(
    address: str, tmp_path: Path, settings: Settings
) -> None:
    assert locate(address) == Place(city="Private network")
    assert locate(address).label == "Private network"
    write_sample_database(tmp_path / "sample.mmdb")
    settings.GEOIP_DATABASE = str(tmp_path / "sample.mmdb")
    assert locate(address).label == "Private network"


@pytest.mark.parametrize("address", [UNKNOWN_ADDRESS, "8.8.8.8", "2001:4860::1", "0.0.0.0", "240.0.0.1", "172.32.0.1"])  # noqa: S104 - looked up, not bound
def test_no_match_says_unknown_and_is_never_blank(address: str, sample: Path) -> None:
    assert locate(address) == UNKNOWN
    assert locate(address).city == locate(address).label == "Unknown"


@pytest.mark.parametrize("text", ["", "nonsense", "999.1.1.1", "\x00", "1.1.1.1; DROP", "[", "::ffff:", "☃"])
def test_what_is_no_address_is_unknown(text: str, sample: Path) -> None:
    assert locate(text) == UNKNOWN


def test_without_a_configured_file_public_addresses_are_unknown(settings: Settings) -> None:
    settings.GEOIP_DATABASE = ""
    assert locate("192.0.2.1") == UNKNOWN
    status = geolocation.status()
    assert not status.configured
    assert not status.is_usable


def test_the_status_names_the_database(sample: Path) -> None:
    status = geolocation.status()
    assert (status.configured, status.path, status.is_usable) == (True, str(sample), True)
    assert (status.database_type, status.refused_reason) == ("SessionAdmin-Sample-City", "")
    assert status.built_at is not None
    assert status.built_at.tzinfo is not None


def test_a_swapped_file_takes_effect_without_a_restart(watched: Watched) -> None:
    assert watched.city() == "Old town"
    write_database(watched.path, "New town")
    assert watched.later().city() == "New town"


def test_the_swap_takes_effect_within_a_minute() -> None:
    assert CHECK_INTERVAL <= 60


def test_the_file_is_looked_at_once_in_fifteen_seconds(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    real_stat = os.stat

    def counted(target: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        nonlocal looks
        looks += str(target) == str(watched.path)
        return real_stat(target, *args, **kwargs)

    monkeypatch.setattr("sessions_app.logins.geolocation.os.stat", counted)
    for _ in range(100):
        watched.city()
    assert looks == 1
    watched.later().city()
    assert looks == 2


@pytest.mark.parametrize("stored", [0, 1, 100, -1, -150])
def test_a_truncated_file_is_refused_with_the_old_one_kept(
    watched: Watched, stored: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert watched.city() == "Old town"
    whole = watched.path.read_bytes()
    watched.path.write_bytes(whole[:stored])
    for _ in range(5):
        assert watched.later().city() == "Old town"
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "refused" in warnings[0]
    status = watched.database.status()
    assert status.is_usable
    assert "MaxMind database" in status.refused_reason


def test_a_file_overwritten_in_place_while_in_use_does_no_harm(watched: Watched) -> None:
    assert watched.city() == "Old town"
    with watched.path.open("r+b") as file:
        file.truncate(10)
        assert watched.city() == "Old town"
        assert watched.later().city() == "Old town"


def test_a_damaged_search_tree_is_refused_although_the_metadata_is_whole(watched: Watched) -> None:
    assert watched.city() == "Old town"
    whole = watched.path.read_bytes()
    marker = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    watched.path.write_bytes(b"\xfe" * marker + whole[marker:])
    assert watched.later().city() == "Old town"
    assert "damaged" in watched.database.status().refused_reason


def test_another_kind_of_database_is_refused(watched: Watched) -> None:
    assert watched.city() == "Old town"
    write_database(watched.path, "Nowhere", database_type="GeoLite2-Country")
    assert watched.later().city() == "Old town"
    assert "GeoLite2-Country" in watched.database.status().refused_reason


def test_a_deleted_file_keeps_the_old_one_and_says_so(watched: Watched) -> None:
    assert watched.city() == "Old town"
    watched.path.unlink()
    assert watched.later().city() == "Old town"
    assert watched.database.status().refused_reason == "there is no such file"
    write_database(watched.path, "Back again")
    assert watched.later().city() == "Back again"
    assert watched.database.status().refused_reason == ""


def test_a_good_file_after_a_bad_one_is_taken(watched: Watched) -> None:
    watched.path.write_bytes(b"half a file")
    assert watched.city() == "-"
    assert not watched.database.status().is_usable
    write_database(watched.path, "New town")
    assert watched.later().city() == "New town"


def test_an_ipv6_address_in_an_ipv4_database_is_unknown_not_damage(tmp_path: Path, settings: Settings) -> None:
    write_database(tmp_path / "four.mmdb", "Four")
    settings.GEOIP_DATABASE = str(tmp_path / "four.mmdb")
    assert locate("2001:db8::1") == UNKNOWN
    assert locate("198.51.100.1").city == "Four"
    assert geolocation.status().refused_reason == ""


def test_many_threads_get_whole_answers_while_the_file_is_swapped(tmp_path: Path) -> None:
    path = tmp_path / "city.mmdb"
    write_database(path, "Town 0")
    time = iter(range(1, 10**9))
    database = WatchedDatabase(lambda: str(path), read_into_memory, clock=lambda: float(next(time)) * CHECK_INTERVAL)
    answers: set[str] = set()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            file = database.current()
            record = file.find(ip_address("198.51.100.9")) if file else None
            answers.add(place_from(record).city if record else "nothing")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 15):
        write_database(path, f"Town {number}")
        if number % 3 == 0:
            path.write_bytes(path.read_bytes()[:-40])
    write_database(path, "Last town")
    stop.wait(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert all(answer.startswith(("Town ", "Last")) for answer in answers), answers
    assert "Last town" in answers


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, Place()),
        ({"country": {"names": {"en": "Switzerland"}, "iso_code": "CH"}}, Place("Unknown", "", "Switzerland", "CH")),
        ({"registered_country": {"names": {"de": "Schweiz"}}}, Place("Unknown", "", "Schweiz")),
        ({"subdivisions": [{"names": {"en": "England"}}, {"names": {"en": "Kent"}}]}, Place("Unknown", "Kent")),
        ({"location": {"latitude": 99.0, "longitude": 7.0}}, Place()),
        ({"location": {"latitude": float("nan"), "longitude": 7.0}}, Place()),
        ({"location": {"latitude": 7, "longitude": -7}}, Place(latitude=7.0, longitude=-7.0)),
        ({"location": {"latitude": "7", "longitude": 7.0, "accuracy_radius": "far"}}, Place()),
        ({"city": {"names": "en"}, "country": {"iso_code": 41, "names": ["CH"]}}, Place()),
        ({"city": {}, "country": None, "subdivisions": [], "location": {"unheard_of": 1}}, Place()),
        ({"city": {"names": {"en": "B\x1b[31mern\n"}}}, Place("B[31mern")),
        ({"city": {"names": {"en": ["Bern"]}}}, Place()),
    ],
)
def test_records_with_holes_or_of_the_wrong_type_are_read_as_far_as_they_go(
    record: dict[str, Any], expected: Place
) -> None:
    assert place_from(City(["en"], **record)) == expected


@pytest.mark.parametrize(
    "record",
    [
        {"city": "Bern"},
        {"country": 7},
        {"subdivisions": "x"},
        {"location": ["here"]},
        {"locales": ["en"]},
        {"traits": {"network": "nonsense"}},
        "Bern",
    ],
)
def test_a_record_that_is_no_citys_is_unknown_and_said_once(
    record: dict[str, Any] | str, tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    write_record(tmp_path / "odd.mmdb", record)
    settings.GEOIP_DATABASE = str(tmp_path / "odd.mmdb")
    assert [locate("198.51.100.1"), locate("198.51.100.2"), locate("8.8.8.8")] == [UNKNOWN] * 3
    assert "damaged" in geolocation.status().refused_reason
    assert len([logged for logged in caplog.records if logged.levelno >= logging.WARNING]) == 1


@pytest.mark.parametrize("database_type", ["GeoIP2-Enterprise", "DBIP-Location (compat=City)", "GeoIP2-City-Europe"])
def test_paid_databases_are_read_too(database_type: str, tmp_path: Path, settings: Settings) -> None:
    write_database(tmp_path / "paid.mmdb", "Bern", database_type)
    settings.GEOIP_DATABASE = str(tmp_path / "paid.mmdb")
    assert locate("198.51.100.1").city == "Bern"


@pytest.mark.parametrize(
    ("database_type", "text", "url"),
    [
        ("DBIP-City-Lite", "IP Geolocation by DB-IP", "https://db-ip.com"),
        (
            "GeoLite2-City",
            "This product includes GeoLite2 data created by MaxMind, available from maxmind.com",
            "https://www.maxmind.com",
        ),
    ],
)
def test_the_free_databases_are_mentioned_as_their_licences_ask(database_type: str, text: str, url: str) -> None:
    mention = GeoipStatus(configured=True, database_type=database_type).attribution
    assert mention is not None
    assert (str(mention), mention.url) == (text, url)


@pytest.mark.parametrize("database_type", ["", "GeoIP2-City", "DBIP-City", "SessionAdmin-Sample-City"])
def test_others_ask_for_no_mention(database_type: str) -> None:
    assert GeoipStatus(configured=True, database_type=database_type).attribution is None


def test_a_place_without_a_city_is_named_by_what_is_known() -> None:
    assert Place(region="Kent", country="United Kingdom").label == "Kent, United Kingdom"
    assert Place(country="Switzerland").label == "Switzerland"


def test_the_longest_names_fit_into_the_database() -> None:
    name = {"names": {"en": "x" * 1000}}
    found = place_from(City(["en"], city=name, country={**name, "iso_code": "XYZ"}, subdivisions=[name]))
    for field in ("city", "region", "country", "country_code"):
        column = LoginSession._meta.get_field(field)
        assert isinstance(column, CharField)
        assert column.max_length is not None
        assert len(getattr(found, field)) <= column.max_length, field
