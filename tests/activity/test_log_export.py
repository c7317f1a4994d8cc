"""What a download of the log proves: manifest, proofs, and lines that are leaves of the sealed log."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from activity.verify_sessionadmin import Unproven, is_included, leaf_hash, main, open_note, parse_checkpoint, parse_vkey
from tests.support import pages
from tests.support.entries import ago, make_entry
from tests.support.sealed import Signer, from_base64, seal, signing_with

AsUser = Callable[[User], Client]


@pytest.fixture(autouse=True)
def signer(settings: Any, tmp_path: Path) -> Iterator[Signer]:
    settings.VAR_DIR = tmp_path
    signer = Signer()
    with signing_with(signer):
        yield signer


def facts_of(note: str, signer: Signer) -> dict[str, Any]:
    """Return what a manifest says, once its signature was verified."""
    kind, line, rest = open_note(note, [parse_vkey(signer.vkey)]).text.split("\n")
    assert (kind, rest) == ("sessionadmin-export/v1", "")
    facts: dict[str, Any] = json.loads(line)
    return facts


def test_the_entry_of_the_end_has_a_signed_manifest(as_user: AsUser, auditor: User, signer: Signer) -> None:
    for number in range(3):
        make_entry(f"backup {number}", ago(minutes=number))
    checkpoint = seal(signer)
    browser = as_user(auditor)
    browser.cookies["timezone"] = "Asia/Tokyo"
    data = pages.streamed(browser.get("/activity/", {"csv": "1", "activity": "backup"}))
    entry = LogEntry.objects.get(verb=Verb.EXPORTED)
    facts = facts_of(entry.details["manifest"], signer)
    newest, *_, oldest = (
        LogEntry.objects.filter(message__startswith="backup").order_by("-at").values_list("pk", flat=True)
    )
    assert facts.pop("made_at").endswith("Z")
    assert facts.pop("applied")["period"] == "in the last 7 days"
    assert facts.pop("columns")[:3] == ["ID", "Date and time", "Level"]
    assert facts == {
        "v": 1,
        "list": "activity-log-last-7-days-keyword-backup",
        "file": entry.details["file"],
        "format": "csv",
        "filters": {"activity": "backup"},
        "sort": "-at",
        "zone": "Asia/Tokyo",
        "rows": 3,
        "complete": True,
        "first_id": newest,
        "last_id": oldest,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "made_by": "auditor",
        "checkpoint": checkpoint.note,
        "proofs": None,
    }
    answer = browser.get(f"/activity/{entry.pk}/manifest/")
    assert answer.content.decode() == entry.details["manifest"]
    assert f'filename="{facts["file"]}.manifest"' in answer["Content-Disposition"]
    page = pages.elements(browser.get(f"/activity/{entry.pk}/"))
    assert page.find(f".//a[@href='/activity/{entry.pk}/manifest/']") is not None
    with pytest.raises(Unproven):
        facts_of(entry.details["manifest"].replace('"rows":3', '"rows":2'), signer)


@pytest.mark.django_db(transaction=True)  # closing an answer closes the connection, as on a server
def test_a_download_that_is_broken_off_says_so_in_its_manifest(as_user: AsUser, auditor: User, signer: Signer) -> None:
    LogEntry.objects.bulk_create(LogEntry(verb=Verb.LOGIN, message=f"row {number}") for number in range(1500))
    for asked in ({"csv": "1"}, {"format": "jsonl"}, {"format": "xlsx", "zip": "1"}):
        answer = as_user(auditor).get("/activity/", asked | {"activity": "row"})
        pieces = pages.pieces(answer)
        next(pieces)
        next(pieces)
        answer.close()
        entry = LogEntry.objects.filter(verb=Verb.EXPORTED).latest("pk")
        facts = facts_of(entry.details["manifest"], signer)
        assert facts["complete"] is False
        assert 0 < facts["rows"] < 1500


def test_without_a_key_the_manifest_has_no_signature_and_the_download_comes(
    as_user: AsUser, auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activity.seal.signing._signer", [])
    assert pages.streamed(as_user(auditor).get("/activity/?csv=1"))
    note = LogEntry.objects.get(verb=Verb.EXPORTED).details["manifest"]
    assert json.loads(note.split("\n")[1])["complete"] is True
    assert note.count("\n") == 2


def unpacked(answer: Any) -> dict[str, bytes]:
    """Return the files of an archive, by how their names end."""
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(pages.streamed(answer))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        base = names[0]
        return {name.removeprefix(base): archive.read(name) for name in names}


@pytest.mark.parametrize("format_", ["csv", "jsonl", "xlsx"])
@pytest.mark.parametrize("sort", ["at", "-at"])
def test_an_archive_proves_each_sealed_row(
    as_user: AsUser, auditor: User, signer: Signer, format_: str, sort: str
) -> None:
    LogEntry.objects.bulk_create(
        LogEntry(verb=Verb.LOGIN, message=f"row {number}", details={"n": number, "ä": [1.5, None]})
        for number in range(700)
    )
    seal(signer)
    late = make_entry("row that came later")
    browser = as_user(auditor)
    found = unpacked(browser.get("/activity/", {"format": format_, "zip": "1", "activity": "row", "sort": sort}))
    assert list(found) == ["", ".proofs.jsonl", ".manifest"]
    facts = facts_of(found[".manifest"].decode(), signer)
    assert facts["sha256"] == hashlib.sha256(found[""]).hexdigest()
    assert facts["proofs"] == {
        "file": facts["file"] + ".proofs.jsonl",
        "sha256": hashlib.sha256(found[".proofs.jsonl"]).hexdigest(),
        "sealed": 700,
        "unsealed": 1,
    }
    assert (facts["rows"], facts["complete"]) == (701, True)
    assert late.pk in (facts["first_id"], facts["last_id"])
    checkpoint = parse_checkpoint(open_note(facts["checkpoint"], [parse_vkey(signer.vkey)]).text)
    lines = [json.loads(line) for line in found[".proofs.jsonl"].splitlines()]
    ids = LogEntry.objects.filter(message__startswith="row").order_by(sort, "-pk" if sort == "-at" else "pk")
    assert [line["id"] for line in lines] == list(ids.values_list("pk", flat=True))
    path: list[bytes] = []
    for line in lines:
        if line["leaf"] is None:
            assert line == {"id": late.pk, "leaf": None}
            continue
        path = [from_base64(each) for each in line["path"]] + path[len(path) - line["same"] :]
        assert is_included(from_base64(line["hash"]), line["leaf"], checkpoint.size, path, checkpoint.root)
    assert sum(len(line.get("path", ())) for line in lines) < 3 * len(lines)  # what neighbours share is written once
    if format_ == "jsonl":
        for line, proof in zip(found[""].splitlines(), lines, strict=True):
            data = line.removeprefix(b'{"entry":').rpartition(b',"leaf":')[0]
            assert json.loads(line)["leaf"] == proof["leaf"]
            assert proof["leaf"] is None or leaf_hash(data) == from_base64(proof["hash"])
    assert LogEntry.objects.get(verb=Verb.EXPORTED).details["manifest"] == found[".manifest"].decode()


def test_an_archive_of_another_list_has_no_proofs(as_user: AsUser, auditor: User, signer: Signer) -> None:
    found = unpacked(as_user(auditor).get("/logins/", {"zip": "1"}))
    assert list(found) == ["", ".manifest"]
    facts = facts_of(found[".manifest"].decode(), signer)
    assert (facts["proofs"], facts["rows"]) == (None, 1)
    assert facts["first_id"] == facts["last_id"] is not None


def test_a_manifest_is_for_whoever_may_read_its_entry(
    as_user: AsUser, auditor: User, alice: User, outsider: User
) -> None:
    pages.streamed(as_user(alice).get("/activity/?csv=1"))
    entry = LogEntry.objects.get(verb=Verb.EXPORTED)
    assert as_user(outsider).get(f"/activity/{entry.pk}/manifest/").status_code == 404
    assert as_user(auditor).get(f"/activity/{entry.pk}/manifest/").status_code == 200
    other = LogEntry.objects.filter(verb=Verb.EXPORT_BEGAN).get()
    assert as_user(alice).get(f"/activity/{other.pk}/manifest/").status_code == 404


@pytest.mark.parametrize("format_", ["csv", "jsonl", "xlsx"])
def test_the_verifier_passes_real_downloads_and_finds_a_changed_byte(
    as_user: AsUser, auditor: User, signer: Signer, tmp_path: Path, format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    LogEntry.objects.bulk_create(LogEntry(verb=Verb.LOGIN, message=f"row {number}") for number in range(300))
    seal(signer)
    browser = as_user(auditor)

    def verify(path: Path) -> int:
        return main(["--key", signer.vkey, str(path)])

    archive = tmp_path / "export.zip"
    archive.write_bytes(pages.streamed(browser.get("/activity/", {"format": format_, "zip": "1", "activity": "row"})))
    assert verify(archive) == 0, capsys.readouterr()
    data = pages.streamed(browser.get("/activity/", {"format": format_, "activity": "row"}))
    entry = LogEntry.objects.filter(verb=Verb.EXPORTED).latest("pk")
    plain_file = tmp_path / entry.details["file"]
    plain_file.write_bytes(data)
    plain_file.with_name(plain_file.name + ".manifest").write_text(entry.details["manifest"])
    assert verify(plain_file) == 0, capsys.readouterr()
    middle = len(data) // 2
    plain_file.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    assert verify(plain_file) == 1
    whole = archive.read_bytes()
    with zipfile.ZipFile(archive) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    name = next(iter(members))
    members[name] = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    with zipfile.ZipFile(archive, "w") as packed:
        for each, content in members.items():
            packed.writestr(each, content)
    assert archive.read_bytes() != whole
    assert verify(archive) == 1
