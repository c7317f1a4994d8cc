"""GeoIP from the command line and at start: what is in use, and what is wrong with it."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.core import checks
from django.core.management import CommandError, call_command
from pytest_django import Settings

from sessions_app.logins.geoip.checks import check_for_geoip_database, check_geoip_database, check_trusted_proxies
from sessions_app.logins.geoip.sample_file import write_sample_database
from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES
from tests.support.download_server import database
from tests.support.programs import production


@pytest.fixture
def target(tmp_path: Path, settings: Settings) -> Path:
    """Configure a valid database of 2024, and return its path."""
    path = tmp_path / "city.mmdb"
    path.write_bytes(database("Old town", built_at=datetime(2024, 5, 1, tzinfo=UTC)))
    settings.GEOIP_DATABASE = str(path)
    return path


def test_the_status_names_the_database_and_looks_addresses_up(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sample.mmdb"
    write_sample_database(path)
    settings.GEOIP_DATABASE = str(path)
    call_command("geoip_status", "192.0.2.1", "10.0.0.1", "8.8.8.8", "nonsense")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Database:  {path}"
    assert lines[1] == "Type:      SessionAdmin-Sample-City"
    assert "0 days ago" in lines[2]
    assert lines[4:] == [
        "192.0.2.1: Bern, Switzerland; region Canton of Bern; CH; 46.9480, 7.4474 within 10 km",
        "10.0.0.1: Private network",
        "8.8.8.8: Unknown",
        "nonsense: not an IP address",
    ]


def test_the_status_says_when_the_database_is_old(target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("geoip_status")
    assert "It is old" in capsys.readouterr().out


def test_the_status_fails_without_a_database(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.GEOIP_DATABASE = ""
    with pytest.raises(CommandError, match="geoip_update") as caught:
        call_command("geoip_status", "192.0.2.1")
    assert caught.value.returncode == 1
    assert "192.0.2.1: Unknown" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"broken"])
def test_the_status_fails_with_a_file_that_is_no_good(
    content: bytes | None, tmp_path: Path, settings: Settings
) -> None:
    settings.GEOIP_DATABASE = str(tmp_path / "city.mmdb")
    if content is not None:
        (tmp_path / "city.mmdb").write_bytes(content)
    with pytest.raises(CommandError, match="refused"):
        call_command("geoip_status")


def test_the_sample_database_is_built_where_the_settings_expect_it(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VAR_DIR = tmp_path
    call_command("build_sample_geoip")
    path = tmp_path / "geoip" / "sample.mmdb"
    assert capsys.readouterr().out == f"Wrote {len(SAMPLE_PLACES)} places to {path}\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["sample.mmdb"]
    settings.GEOIP_DATABASE = str(path)
    call_command("geoip_status", "2001:db8:e000::1")
    assert "Tokyo, Japan" in capsys.readouterr().out


def test_a_sample_database_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("build_sample_geoip", "--output", str(tmp_path / "file" / "sample.mmdb"))


def test_the_system_check_says_once_that_nothing_is_configured(settings: Settings) -> None:
    settings.GEOIP_DATABASE = ""
    assert check_geoip_database() == []
    (message,) = check_for_geoip_database()
    assert message.id == "sessions_app.W001"
    assert message.level == checks.INFO, "a console without locations is a choice, not a fault"
    assert "geoip_update" in str(message.hint)


@pytest.mark.parametrize(
    ("present", "kind", "expected"),
    [
        ([], "development", ""),
        ([], "production", ""),
        (["sample"], "development", "sample"),
        (["sample"], "production", ""),
        (["sample", "city"], "development", "city"),
        (["city"], "production", "city"),
    ],
)
def test_a_file_at_the_default_place_is_found_without_configuration(
    present: list[str], kind: str, expected: str, tmp_path: Path
) -> None:
    for name in present:
        (tmp_path / "geoip").mkdir(exist_ok=True)
        (tmp_path / "geoip" / f"{name}.mmdb").touch()
    asked = f"from sessionadmin.settings.{kind} import GEOIP_DATABASE; print(GEOIP_DATABASE)"
    environment = production(VAR_DIR=str(tmp_path))
    found = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == (str(tmp_path / "geoip" / f"{expected}.mmdb") if expected else "")


@pytest.mark.parametrize("content", [None, b"broken"])
def test_the_system_check_warns_of_a_file_that_is_no_good(
    content: bytes | None, tmp_path: Path, settings: Settings
) -> None:
    settings.GEOIP_DATABASE = str(tmp_path / "city.mmdb")
    if content is not None:
        (tmp_path / "city.mmdb").write_bytes(content)
    (message,) = check_geoip_database()
    assert (message.id, message.level) == ("sessions_app.W002", checks.WARNING)


def test_the_system_check_is_content_with_a_good_file(target: Path) -> None:
    assert check_geoip_database() == []


def test_the_system_check_finds_proxies_that_are_none_and_proxies_that_are_everybody(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "unix", "proxy.example.com", "0.0.0.0/0"]
    assert [message.id for message in check_trusted_proxies()] == ["sessions_app.E011", "sessions_app.W011"]


def test_the_checks_run_at_every_start(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_VAR_DIR": str(tmp_path),
        "TRUSTED_PROXIES": "0.0.0.0/0",
    }
    manage = Path(settings.BASE_DIR) / "manage.py"
    found = subprocess.run([sys.executable, manage, "check"], env=environment, capture_output=True, text=True)
    assert "sessions_app.W011" in found.stderr + found.stdout
    assert "sessions_app.W001" not in found.stderr + found.stdout  # information, which no start has to say
