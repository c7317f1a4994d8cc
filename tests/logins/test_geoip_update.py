"""Getting a newer GeoIP database never loses the old one, whatever the network brings."""

import gzip
import io
import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError
from pytest_django import Settings

from activity import log
from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.geoip import sources
from sessions_app.logins.geoip.download import CredentialsError, UpdateError, update
from sessions_app.management.commands import geoip_update
from tests.support.download_server import (
    MAXMIND_PATH,
    Answer,
    DownloadServer,
    city_in,
    database,
    dbip_path,
    offer_dbip,
    offer_maxmind,
    running_server,
    tar_gz,
    today,
)

KEY = "s3cret-licence-key"

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[DownloadServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def target(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a valid database of 2024 in its place, and return its path."""
    for name in ("MAXMIND_ACCOUNT_ID", "MAXMIND_LICENSE_KEY", "GEOIP_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "geoip" / "city.mmdb"
    path.parent.mkdir()
    path.write_bytes(database("Old town", built_at=datetime(2024, 5, 1, tzinfo=UTC)))
    settings.GEOIP_DATABASE = str(path)
    return path


@pytest.fixture
def account(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAXMIND_ACCOUNT_ID", "4711")
    monkeypatch.setenv("MAXMIND_LICENSE_KEY", KEY)


def refused(target: Path, server: DownloadServer, *arguments: str) -> CommandError:
    """Run the update, which must fail and leave the old file and nothing else; the error."""
    before = target.read_bytes()
    with pytest.raises(CommandError) as caught:
        call_command("geoip_update", "--url", server.url, *arguments)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert "was not changed" in str(caught.value)
    return caught.value


def test_the_free_database_of_this_month_is_put_in_place(
    server: DownloadServer, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_dbip(server, database("New town"))
    call_command("geoip_update", "--url", server.url)
    assert city_in(target) == "New town"
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    output = capsys.readouterr()
    assert "In place: DBIP-City-Lite" in output.out
    assert "by itself" in output.out
    assert "before: 2024-05-01" in output.out
    assert output.err == "", "no progress bar where there is no terminal"
    entry = LogEntry.objects.get(verb=Verb.GEOIP_UPDATED)
    assert entry.message.startswith("The GeoIP database is now DBIP-City-Lite built ")
    assert (entry.details["file"], entry.details["before"]) == (str(target), "2024-05-01")


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_file_that_the_log_cannot_hear_of_is_in_place_all_the_same(
    server: DownloadServer,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: type[Exception],
) -> None:
    def away(*args: object, **values: object) -> None:
        raise error("the database is away")

    monkeypatch.setattr(log, "append", away)
    offer_dbip(server, database("New town"))
    call_command("geoip_update", "--url", server.url)
    assert city_in(target) == "New town"
    assert "The activity log has no entry of this" in capsys.readouterr().err


def test_before_the_console_has_a_database_none_is_made(
    server: DownloadServer,
    target: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where root runs this before `migrate`: the console could not open a file of root's."""
    missing = tmp_path / "not there.sqlite3"
    monkeypatch.setattr(geoip_update, "database_file", lambda: missing)
    offer_dbip(server, database("New town"))
    call_command("geoip_update", "--url", server.url)
    assert city_in(target) == "New town"
    assert "has no entry of this, because the console has no database yet" in capsys.readouterr().err
    assert not missing.exists()
    assert not LogEntry.objects.filter(verb=Verb.GEOIP_UPDATED).exists()


def test_an_update_that_was_refused_is_not_in_the_log(server: DownloadServer, target: Path) -> None:
    refused(target, server)
    assert not LogEntry.objects.filter(verb=Verb.GEOIP_UPDATED).exists()


def test_the_new_file_can_be_read_by_the_server_of_another_user(server: DownloadServer, target: Path) -> None:
    offer_dbip(server, database())
    call_command("geoip_update", "--url", server.url)
    assert target.stat().st_mode & 0o777 == 0o644


def test_last_months_is_taken_while_this_months_is_not_out(server: DownloadServer, target: Path) -> None:
    target = target.parent / "not" / "there" / "yet" / target.name
    source = sources.dbip(date(2026, 1, 1), server.url)
    server.answers[dbip_path(date(2025, 12, 1))] = Answer(gzip.compress(database("December")))
    update(source, target, lambda done, total: None)
    assert city_in(target) == "December"
    assert server.asked == [dbip_path(date(2026, 1, 1)), dbip_path(date(2025, 12, 1))]


@pytest.mark.usefixtures("account")
def test_geolite2_is_fetched_with_the_account_and_checked_against_its_checksum(
    server: DownloadServer, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_maxmind(server, tar_gz(database("GeoLite town", "GeoLite2-City")))
    call_command("geoip_update", "--url", server.url)
    assert city_in(target) == "GeoLite town"
    basic = "Basic " + b64encode(f"4711:{KEY}".encode()).decode()
    assert server.authorizations == [basic, basic]
    assert server.asked == [MAXMIND_PATH, f"{MAXMIND_PATH}.sha256"]
    assert KEY not in "".join(capsys.readouterr())


@pytest.mark.usefixtures("account")
def test_the_free_one_can_be_had_in_spite_of_an_account(server: DownloadServer, target: Path) -> None:
    offer_dbip(server, database("New town"))
    call_command("geoip_update", "--url", server.url, "--source", "dbip")
    assert city_in(target) == "New town"
    assert server.authorizations == [None], "the licence key is for MaxMind only"


@pytest.mark.usefixtures("account")
def test_a_licence_key_never_travels_unencrypted(target: Path) -> None:
    with pytest.raises(CommandError, match="unencrypted") as caught:
        call_command("geoip_update", "--url", "http://mirror.example.com")
    assert KEY not in str(caught.value)


def test_half_an_account_is_refused_before_anything_is_fetched(
    server: DownloadServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAXMIND_ACCOUNT_ID", "4711")
    with pytest.raises(CommandError, match="MAXMIND_LICENSE_KEY"):
        call_command("geoip_update", "--url", server.url)
    assert server.asked == []


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_account_says_what_to_check(server: DownloadServer, target: Path, status: int) -> None:
    server.answers[MAXMIND_PATH] = Answer(b"Invalid license key", status)
    error = refused(target, server)
    assert error.returncode == 4
    assert "MAXMIND_LICENSE_KEY" in str(error)
    assert KEY not in str(error)


def test_an_account_is_never_shown_by_a_source_or_its_errors(server: DownloadServer, target: Path) -> None:
    source = sources.maxmind("4711", KEY, server.url)
    server.answers[MAXMIND_PATH] = Answer(status=401)
    with pytest.raises(CredentialsError) as caught:
        update(source, target, lambda done, total: None)
    assert KEY not in repr(source) + repr(caught.value)


def test_a_missing_file_is_a_failed_download(server: DownloadServer, target: Path) -> None:
    error = refused(target, server)
    assert error.returncode == 3
    assert "404" in str(error)
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [500, 503, 302, 204])
def test_a_server_in_trouble_is_a_failed_download(server: DownloadServer, target: Path, status: int) -> None:
    server.answers[dbip_path(today())] = Answer(status=status)
    assert refused(target, server).returncode == 3


def test_a_server_that_is_not_there_is_a_failed_download(server: DownloadServer, target: Path) -> None:
    nowhere = DownloadServer(url="http://127.0.0.1:9")
    error = refused(target, nowhere)
    assert error.returncode == 3
    assert "network" in str(error)


def test_a_connection_that_breaks_off_is_a_failed_download(server: DownloadServer, target: Path) -> None:
    packed = gzip.compress(database())
    server.answers[dbip_path(today())] = Answer(packed[:200], announced=len(packed))
    assert refused(target, server).returncode == 3


def test_a_truncated_archive_is_refused(server: DownloadServer, target: Path) -> None:
    server.answers[dbip_path(today())] = Answer(gzip.compress(database())[:-20])
    error = refused(target, server)
    assert error.returncode == 5
    assert "gzip" in str(error)


@pytest.mark.parametrize("cut", [1, 50, 300])
def test_a_truncated_database_in_a_whole_archive_is_refused(server: DownloadServer, target: Path, cut: int) -> None:
    offer_dbip(server, database()[:-cut])
    assert refused(target, server).returncode == 5


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"", b"\x1f\x8b"])
def test_what_is_no_archive_is_refused(server: DownloadServer, target: Path, body: bytes) -> None:
    server.answers[dbip_path(today())] = Answer(body)
    assert refused(target, server).returncode == 5


def test_another_kind_of_database_is_refused(server: DownloadServer, target: Path) -> None:
    offer_dbip(server, database(database_type="DBIP-Country-Lite"))
    error = refused(target, server)
    assert error.returncode == 5
    assert "DBIP-Country-Lite" in str(error)


def test_an_older_one_of_the_same_kind_is_refused(server: DownloadServer, target: Path) -> None:
    old = database(built_at=datetime(2023, 1, 1, tzinfo=UTC))
    offer_dbip(server, old)
    error = refused(target, server)
    assert error.returncode == 5
    assert "older" in str(error)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("checksum", ["0" * 64, "not a checksum"])
def test_a_wrong_checksum_is_refused(server: DownloadServer, target: Path, checksum: str) -> None:
    offer_maxmind(server, tar_gz(database(database_type="GeoLite2-City")), checksum)
    error = refused(target, server)
    assert error.returncode == 5
    assert "checksum" in str(error)


@pytest.mark.usefixtures("account")
def test_a_missing_checksum_is_a_failed_download(server: DownloadServer, target: Path) -> None:
    server.answers[MAXMIND_PATH] = Answer(tar_gz(database(database_type="GeoLite2-City")))
    error = refused(target, server)
    assert error.returncode == 3
    assert "no checksum" in str(error)


@pytest.mark.usefixtures("account")
def test_an_archive_without_a_database_is_refused(server: DownloadServer, target: Path) -> None:
    offer_maxmind(server, tar_gz(b"nothing", name="GeoLite2-City_20261120/README.txt"))
    assert refused(target, server).returncode == 5


def test_an_interrupted_update_leaves_the_old_file_and_no_rubbish(
    server: DownloadServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_dbip(server, database())

    def interrupt(bar: object, done: int, total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    monkeypatch.setattr("sessions_app.management.commands.geoip_update.show", interrupt)
    error = refused(target, server)
    assert error.returncode == 130
    assert "Interrupted" in str(error)


def test_a_directory_that_cannot_be_written_is_said(server: DownloadServer, target: Path) -> None:
    (target.parent.parent / "file").write_text("in the way")
    error = refused(target, server, "--output", str(target.parent.parent / "file" / "city.mmdb"))
    assert error.returncode == 1
    assert "--output" in str(error)


def test_what_a_killed_run_left_behind_is_thrown_away_a_day_later(server: DownloadServer, target: Path) -> None:
    old, fresh = (target.parent / f".{target.name}.{name}.part" for name in ("old", "fresh"))
    for path in (old, fresh):
        path.write_text("half a file")
    os.utime(old, (0, 0))
    with pytest.raises(UpdateError):
        update(sources.dbip(today(), server.url), target, lambda done, total: None)
    assert not old.exists()
    assert fresh.exists(), "another run may be at work"


def test_a_broken_file_in_place_does_not_keep_a_good_one_out(server: DownloadServer, target: Path) -> None:
    target.write_bytes(b"broken")
    offer_dbip(server, database("New town"))
    call_command("geoip_update", "--url", server.url)
    assert city_in(target) == "New town"


@pytest.mark.parametrize("is_sample", [True, False])
def test_without_a_file_of_its_own_it_writes_beside_the_sample_and_says_how_to_use_it(
    server: DownloadServer, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str], is_sample: bool
) -> None:
    settings.VAR_DIR = tmp_path
    settings.GEOIP_DATABASE = str(tmp_path / "geoip" / "sample.mmdb") if is_sample else ""
    offer_dbip(server, database("New town"))
    call_command("geoip_update", "--url", server.url, "--source", "dbip")
    assert city_in(tmp_path / "geoip" / "city.mmdb") == "New town"
    assert not (tmp_path / "geoip" / "sample.mmdb").exists()
    assert "restart the server this once" in capsys.readouterr().out


def test_a_file_elsewhere_has_to_be_named_to_the_server(
    server: DownloadServer, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_dbip(server, database("New town"))
    call_command("geoip_update", "--url", server.url, "--output", str(tmp_path / "other.mmdb"))
    assert f"set GEOIP_DATABASE={tmp_path / 'other.mmdb'}" in capsys.readouterr().out


def test_a_terminal_sees_a_progress_bar(server: DownloadServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    offer_dbip(server, database())
    call_command("geoip_update", "--url", server.url)
    assert "100%" in terminal.getvalue()
