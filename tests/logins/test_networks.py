"""The network of a login: whose it is, from the database that GEOIP_ASN_DATABASE names."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from sessions_app.logins import networks
from sessions_app.logins.geoip.asn_file import Network
from sessions_app.logins.geoip.checks import check_asn_database
from sessions_app.logins.models import LoginAddress, LoginSession
from tests.support.builders import PASSWORD, make_login

AsUser = Callable[[User], Client]
TYPES = ("GeoLite2-ASN", "DBIP-ASN-Lite (compat=GeoLite2-ASN)")


def write(path: Path, kind: str, records: dict[str, dict[str, object]]) -> None:
    writer = MMDBWriter(ip_version=6, database_type=kind, languages=["en"], ipv4_compatible=True)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))


@pytest.fixture(params=TYPES)
def asn_file(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Path:
    path = tmp_path / "asn.mmdb"
    known = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net\x00"}
    odd = {"autonomous_system_number": "many", "autonomous_system_organization": 7}
    write(path, request.param, {"198.51.100.0/24": known, "2001:db8::/32": known, "192.0.2.0/24": odd})
    settings.GEOIP_ASN_DATABASE = str(path)
    return path


def test_an_address_has_a_network(asn_file: Path) -> None:
    assert networks.network_of("198.51.100.7") == Network(64500, "Example Net")
    assert networks.network_of("2001:db8::1") == Network(64500, "Example Net")


@pytest.mark.parametrize("address", ["203.0.113.1", "10.0.0.1", "", "nonsense", "192.0.2.1"])
def test_what_is_unknown_private_or_no_address_has_none(asn_file: Path, address: str) -> None:
    assert networks.network_of(address) == Network()


def test_a_login_keeps_its_network_in_the_list_and_in_its_trail(asn_file: Path, alice: User) -> None:
    client = Client(REMOTE_ADDR="198.51.100.7")
    client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    assert LoginSession.objects.values_list("asn", "network").get() == (64500, "Example Net")
    assert LoginAddress.objects.values_list("asn", "network").get() == (64500, "Example Net")
    login = LoginSession.objects.get()
    assert "Example Net (AS64500)" in client.get(f"/logins/{login.pk}/").content.decode()
    client.get("/", REMOTE_ADDR="203.0.113.9")
    assert LoginSession.objects.values_list("asn", "network").get() == (None, "")


def test_the_column_is_in_the_download(alice: User, as_user: AsUser) -> None:
    make_login(alice, asn=64500, network="Example Net")
    lines = b"".join(as_user(alice).get("/logins/?csv=1")).decode()
    assert "Example Net (AS64500)" in lines


def test_the_status_tells_of_it(asn_file: Path, capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    out = io.StringIO()
    with pytest.raises(Exception, match="No GeoIP database"):
        call_command("geoip_status", "198.51.100.7", stdout=out)
    assert f"Networks:  {asn_file}" in out.getvalue()
    assert "Example Net (AS64500)" in out.getvalue()


@pytest.mark.parametrize("content", [b"", b"not a database"])
def test_a_file_that_is_no_good_is_refused(tmp_path: Path, settings: Any, content: bytes) -> None:
    path = tmp_path / "asn.mmdb"
    path.write_bytes(content)
    settings.GEOIP_ASN_DATABASE = str(path)
    assert networks.network_of("198.51.100.7") == Network()
    assert [message.id for message in check_asn_database()] == ["sessions_app.W018"]


def test_a_city_database_is_not_taken_for_one(tmp_path: Path, settings: Any) -> None:
    path = tmp_path / "asn.mmdb"
    write(path, "GeoLite2-City", {"198.51.100.0/24": {}})
    settings.GEOIP_ASN_DATABASE = str(path)
    [message] = check_asn_database()
    assert "a database of networks (ASN) is needed" in message.msg


@pytest.mark.parametrize(
    ("query", "found"),
    [("signed_in=passkey", "one"), ("second_factor=totp", "two"), ("second_factor=none", "three")],
)
def test_the_list_is_filtered_by_how_somebody_signed_in(
    alice: User, admin: User, as_user: AsUser, query: str, found: str
) -> None:
    make_login(alice, browser="one", signed_in_with="passkey", second_factor="passkey")
    make_login(alice, browser="two", signed_in_with="password", second_factor="totp")
    make_login(alice, browser="three", signed_in_with="password")
    make_login(alice, browser="four")
    text = html.unescape(as_user(admin).get(f"/logins/?user=alice&{query}").content.decode())
    assert [name for name in ("one", "two", "three", "four") if f"alice with {name}" in text] == [found]
