"""RFC 3161 time-stamps of checkpoints by a real authority (`openssl ts`); what does not hold is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from activity.models import Checkpoint
from sessions_app.evidence import publishing, timestamps
from sessions_app.evidence.models import Publication
from sessions_app.worker.health.sealing import sealing
from tests.support.sealing import seal, write
from tests.support.tsa import TimestampAuthority, make_authority, running

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimestampAuthority]:
    with running(make_authority(tmp_path_factory.mktemp("tsa") / "one")) as authority:
        yield authority


@pytest.fixture
def authority(made: TimestampAuthority, settings: Any) -> TimestampAuthority:
    for each in dataclasses.fields(TimestampAuthority):
        if each.name in ("status", "alter", "spoil"):
            setattr(made, each.name, each.default)
    made.queries.clear()
    settings.EVIDENCE_TSA_URL = made.url
    settings.EVIDENCE_TSA_CERTIFICATES = str(made.root)
    return made


def grow() -> Checkpoint:
    write(1)
    return seal()


def later(minutes: float) -> dt.datetime:
    return timezone.now() + dt.timedelta(minutes=minutes)


def openssl_verifies(stamp: bytes, note: bytes, authority: TimestampAuthority, folder: Path) -> bool:
    for name, content in (("checkpoint.txt", note), ("checkpoint.tsr", stamp)):
        (folder / name).write_bytes(content)
    command = [
        "openssl",
        "ts",
        "-verify",
        "-data",
        "checkpoint.txt",
        "-in",
        "checkpoint.tsr",
        "-CAfile",
        str(authority.root),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def test_a_checkpoint_is_time_stamped_and_openssl_agrees(authority: TimestampAuthority, tmp_path: Path) -> None:
    note = grow().note
    publishing.publish()
    stamped = timestamps.newest()
    assert stamped is not None
    assert abs(timestamps.time_of(stamped) - timezone.now()) < dt.timedelta(minutes=5)
    stamp = bytes(stamped.timestamp or b"")
    assert openssl_verifies(stamp, note.encode(), authority, tmp_path)
    assert not openssl_verifies(stamp, note.encode() + b"x", authority, tmp_path)
    out = io.StringIO()
    call_command("log_checkpoint", "--timestamp", str(tmp_path / "file.tsr"), stdout=out)
    assert (tmp_path / "file.tsr").read_bytes() == stamp
    assert out.getvalue() == note


def test_it_is_asked_at_most_once_a_minute_also_when_it_fails(authority: TimestampAuthority) -> None:
    grow()
    publishing.publish()
    grow()
    publishing.publish()
    publishing.publish(later(0.9))
    assert len(authority.queries) == 1
    authority.status = 503
    publishing.publish(later(1.1))
    publishing.publish(later(1.5))
    assert len(authority.queries) == 2
    (failing,) = publishing.failing()
    assert "answered 503" in failing.problem
    authority.status = 200
    publishing.publish(later(2.2))
    assert publishing.failing() == []
    assert Checkpoint.objects.exclude(timestamp=None).count() == 2


def test_two_workers_ask_once(authority: TimestampAuthority) -> None:
    grow()
    state = Publication.objects.create(place="timestamp")
    assert publishing._take(state, timezone.now())
    assert not publishing._take(Publication(pk=state.pk, place="timestamp", tried_at=None), timezone.now())


def another_hash(query: bytes) -> bytes:
    begin = query.index(b"\x04\x20") + 2  # an octet string of 32 bytes
    return query[:begin] + hashlib.sha256(b"something else").digest() + query[begin + 32 :]


def another_nonce(query: bytes) -> bytes:
    assert query.endswith(b"\x01\x01\xff")  # after the nonce stands that certificates are wanted
    return query[:-4] + bytes([query[-4] ^ 1]) + query[-3:]


@pytest.mark.parametrize(("alter", "why"), [(another_hash, "messages"), (another_nonce, "Nonce")])
def test_an_answer_to_another_question_is_refused(
    authority: TimestampAuthority, alter: Callable[[bytes], bytes], why: str
) -> None:
    authority.alter = alter
    assert why in refused()


def refused() -> str:
    """Return why the time-stamp of a new checkpoint is refused; nothing else may fail."""
    grow()
    publishing.publish()
    (failing,) = publishing.failing()
    assert timestamps.newest() is None
    assert failing.problem in sealing().text
    return failing.problem


def test_an_authority_that_is_not_trusted_is_refused(
    authority: TimestampAuthority, settings: Any, tmp_path: Path
) -> None:
    settings.EVIDENCE_TSA_CERTIFICATES = str(make_authority(tmp_path / "other").root)
    assert "The time-stamp is refused: Error while verifying certificates" in refused()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer[:-20] + bytes([answer[-20] ^ 1]) + answer[-19:],  # the signature
        lambda answer: answer[:300],
        lambda answer: b"",
        lambda answer: b"<html>Busy</html>",
        lambda answer: b"0" * 100_000,
    ],
)
def test_what_is_no_whole_time_stamp_is_refused(authority: TimestampAuthority, spoil: Callable[[bytes], bytes]) -> None:
    authority.spoil = spoil
    refused()


def test_a_refusal_of_the_authority_is_told(authority: TimestampAuthority) -> None:
    sha256, sha512 = (bytes.fromhex(f"60864801650304020{n}") for n in (1, 3))
    authority.alter = lambda query: query.replace(sha256, sha512)  # which it does not take
    assert "The authority gives no time-stamp" in refused()


def test_an_authority_that_is_away_stops_nothing(authority: TimestampAuthority, settings: Any, tmp_path: Path) -> None:
    settings.EVIDENCE_TSA_URL = "http://127.0.0.1:9/"
    settings.EVIDENCE_CHECKPOINT_FILE = str(tmp_path / "notes")
    assert "cannot be reached" in refused()
    assert (tmp_path / "notes").read_text() == Checkpoint.objects.latest("pk").note


def test_the_page_offers_time_stamp_and_checkpoint(
    authority: TimestampAuthority, tmp_path: Path, auditor: User, alice: User, as_user: Callable[[User], Client]
) -> None:
    grow()
    assert "Newest time-stamp" not in as_user(auditor).get("/evidence/").content.decode()
    publishing.publish()
    stamped = timestamps.newest()
    assert stamped is not None
    page = as_user(auditor).get("/evidence/").content.decode()
    assert f"An authority saw the checkpoint of {stamped.size} entries" in page
    addresses = [f"/evidence/checkpoint-{stamped.size}.{kind}" for kind in ("tsr", "txt")]
    stamp, note = (as_user(auditor).get(address).content for address in addresses)
    assert all(address in page for address in addresses)
    assert openssl_verifies(stamp, note, authority, tmp_path)
    assert [as_user(alice).get(address).status_code for address in addresses] == [403, 403]
    Checkpoint.objects.update(timestamp=b"damaged")
    assert "is no time-stamp" in as_user(auditor).get("/evidence/").content.decode()
    Checkpoint.objects.update(timestamp=None)
    assert as_user(auditor).get(addresses[0]).status_code == 404


def test_the_command_says_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No checkpoint has a time-stamp"):
        call_command("log_checkpoint", "--timestamp", str(tmp_path / "none.tsr"))


@pytest.mark.parametrize(
    ("url", "file", "said"),
    [
        ("", "/absent", None),
        ("http://tsa.example.com", "/absent", "/absent cannot be read"),
        ("http://tsa.example.com", "", "cannot be read"),
        ("tsa.example.com", "ours", "is no address of the web"),
        ("https://tsa.example.com", "ours", None),
    ],
)
def test_wrong_settings_are_found_at_the_start(
    authority: TimestampAuthority, settings: Any, url: str, file: str, said: str | None
) -> None:
    settings.EVIDENCE_TSA_URL = url
    settings.EVIDENCE_TSA_CERTIFICATES = str(authority.root) if file == "ours" else file
    found = [str(one.msg) for one in run_checks() if one.id == "sessions_app.E063"]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]
