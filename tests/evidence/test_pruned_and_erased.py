"""What was pruned or erased leaves hashes and a signed statement, so that everything else still verifies."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from activity import erase as erase_module
from activity import log
from activity.append_only import ERASED_TEXT
from activity.models import Checkpoint, LogEntry, PruneRequest, SealTile
from activity.seal import tree
from activity.seal.models import SealStatement
from activity.seal.pruning import unchanged_leaves_of
from activity.seal.rows import read_entries
from activity.verbs import Verb
from activity.verify_sessionadmin import leaf_hash
from sessions_app.evidence import keys
from sessions_app.gateway.recordings.storage import storage
from tests.support.builders import make_user
from tests.support.entries import ago, make_entry
from tests.support.recordings import make_recording
from tests.support.sealing import as_owner, execute, findings, kept, seal, sealed, verify, write

pytestmark = pytest.mark.django_db


def old(count: int) -> list[LogEntry]:
    """Append so many entries of long ago, as an import of earlier entries does."""
    with log.importing("earlier entries"):
        return [log.record(Verb.LOGIN, f"old {number}", at=ago(days=400 - number / 1000)) for number in range(count)]


def prune(days: int = 30) -> str:
    out = io.StringIO()
    call_command("prune_activity", "--before", ago(days=days).isoformat(), "--yes", stdout=out)
    return out.getvalue()


def erase(entry: LogEntry, *more: str) -> str:
    out = io.StringIO()
    call_command("erase_entry", str(entry.pk), "--reason", "asked for by the person", *more, stdout=out)
    return out.getvalue()


def statement() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(SealStatement.objects.get().note.split("\n")[1])
    return said


def test_everything_else_verifies_after_pruning(tmp_path: Path) -> None:
    write(3)
    seal()
    gone = old(700)
    outside = kept(seal(), tmp_path)
    remaining = sealed(300)
    assert "Deleted 700 log entries" in prune()
    write(5)
    seal()
    code, said = verify("--checkpoint", outside)
    assert code == 0, said
    assert "700 entries were deleted, as signed statements say." in said
    first = tree.leaf_index(remaining[0].pk) - 701
    assert statement()["leaves"] == [[first, first + 700]]
    assert statement()["entry"] == LogEntry.objects.get(verb=Verb.LOG_PRUNED).pk
    assert not LogEntry.objects.filter(pk=gone[0].pk).exists()


def test_tiles_that_nothing_needs_lose_their_hashes_and_those_of_checkpoints_keep_them() -> None:
    write(1)
    old(600)
    seal()
    old(400)
    seal()
    Checkpoint.objects.filter(size__lt=500).delete()
    boundary = Checkpoint.objects.order_by("size").first()
    assert boundary is not None
    prune()
    emptied = [tile.number for tile in SealTile.objects.filter(level=0).order_by("number") if not bytes(tile.hashes)]
    assert emptied == [1]  # of 0 and 2 not all entries are gone, or a checkpoint ends there
    assert boundary.size // 256 == 2
    assert findings() == []
    proof = tree.Tree(tree.size()).consistency_proof(boundary.size)
    assert proof


def test_more_than_was_stated_is_a_finding() -> None:
    old(20)
    entries = sealed(20)
    prune()
    execute("DELETE FROM activity_logentry WHERE id = %s", [entries[7].pk])
    assert findings() == [f"Entry {entries[7].pk:,} is missing: it was sealed, and was deleted."]


def test_a_statement_that_was_changed_forged_or_deleted_is_a_finding() -> None:
    gone = old(20)
    sealed(3)
    prune()
    row = SealStatement.objects.get()
    SealStatement.objects.update(note=row.note.replace('"count":20', '"count":21'))
    found = findings()
    assert found[0].startswith(f"Statement {row.pk} about what was pruned does not hold. The signature of")
    assert f"20 entries, {gone[0].pk:,} to {gone[-1].pk:,}, are missing" in found[1]
    SealStatement.objects.update(note=row.note, entry_id=1)
    assert "Its row says something else than what was signed." in findings()[0]
    SealStatement.objects.all().delete()
    assert len(findings()) == 1


def test_a_pruning_by_hand_leaves_a_trace_but_no_statement() -> None:
    gone = old(5)
    sealed(3)
    PruneRequest.objects.create(before=ago(days=30))
    assert LogEntry.objects.filter(verb=Verb.LOG_PRUNED).exists()
    [found] = findings()
    assert f"5 entries, {gone[0].pk:,} to {gone[-1].pk:,}, are missing" in found


def test_nothing_is_pruned_where_nothing_can_be_signed(settings: Any) -> None:
    old(5)
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match=r"[Nn]othing was deleted"):
        prune()
    assert LogEntry.objects.filter(message__startswith="old").count() == 5


def test_an_entry_that_a_statement_calls_deleted_is_a_finding_when_it_is_there_again() -> None:
    gone = old(5)
    sealed(2)
    row = LogEntry.objects.filter(pk=gone[2].pk).values().get()
    prune()
    with as_owner():
        LogEntry.objects.bulk_create([LogEntry(**row)])
    assert findings() == [f"Entry {gone[2].pk:,} is there, although a signed statement says that it was deleted."]


# --- erasing


def test_personal_data_is_erased_and_everything_else_verifies() -> None:
    alice = make_user("alice")
    with log.coming_from("192.0.2.1", lambda: 7):
        entry = log.record(Verb.LOGIN_FAILED, "alice failed", actor=alice, target=alice, details={"name": "alice"})
    sealed(300)
    assert "Add --yes" in erase(entry)
    assert "Erased the personal data" in erase(entry, "--yes")
    after = LogEntry.objects.get(pk=entry.pk)
    assert (after.actor, after.actor_name, after.user, after.user_name, after.target_name) == (None, "", None, "", "")
    assert (after.message, after.ip, after.login_id, after.details) == (ERASED_TEXT, None, None, {})
    assert (after.at, after.verb, after.level, after.outcome) == (entry.at, entry.verb, entry.level, entry.outcome)
    assert (after.target_type, after.target_id) == (entry.target_type, entry.target_id)
    said = LogEntry.objects.get(verb=Verb.LOG_ERASED)
    assert said.details["entry"] == entry.pk
    assert said.details["reason"] == "asked for by the person"
    assert (statement()["id"], statement()["entry"]) == (entry.pk, said.pk)
    seal()
    code, printed = verify()
    assert code == 0, printed
    assert "1 entries have had their personal data erased, as signed statements say." in printed


def test_an_erased_entry_is_found_by_no_word_of_it() -> None:
    entry = log.record(Verb.LOGIN, "unmistakable words")
    sealed(100)
    erase(entry, "--yes")
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM activity_logentry WHERE message LIKE '%unmistakable%'")
        assert cursor.fetchone() == (0,)


def test_what_was_erased_cannot_be_changed_nor_brought_back_unnoticed() -> None:
    entries = sealed(5)
    kept_row = LogEntry.objects.filter(pk=entries[1].pk).values("message", "details", "user_name").get()
    erase(entries[1], "--yes")
    execute("UPDATE activity_logentry SET level = 40 WHERE id = %s", [entries[1].pk])
    assert findings() == [f"Entry {entries[1].pk:,} was changed after its personal data was erased."]
    execute("UPDATE activity_logentry SET level = 20 WHERE id = %s", [entries[1].pk])
    with as_owner():
        LogEntry.objects.filter(pk=entries[1].pk).update(**kept_row)
    assert findings() == [
        f"Entry {entries[1].pk:,} has its personal data again, although a signed statement says that it was erased."
    ]


def test_an_erasure_without_a_statement_is_a_finding() -> None:
    entries = sealed(5)
    PruneRequest.objects.create(entry_id=entries[1].pk, reason="by hand")
    assert findings() == [f"Entry {entries[1].pk:,} was changed after it was sealed."]
    assert LogEntry.objects.filter(verb=Verb.LOG_ERASED).exists()


def test_what_cannot_be_erased_is_refused_in_words(settings: Any) -> None:
    entries = sealed(3)
    with pytest.raises(CommandError, match="There is no entry 999999"):
        call_command("erase_entry", "999999", "--reason", "x", "--yes")
    with pytest.raises(CommandError, match="Say why"):
        call_command("erase_entry", str(entries[0].pk), "--reason", " ", "--yes")
    erase(entries[0], "--yes")
    with pytest.raises(CommandError, match="erased already"):
        erase(entries[0], "--yes")
    with pytest.raises(CommandError, match="stays whole"):
        erase(LogEntry.objects.get(verb=Verb.LOG_ERASED), "--yes")
    execute("UPDATE activity_logentry SET level = 40 WHERE id = %s", [entries[1].pk])
    with pytest.raises(CommandError, match="was changed after it was sealed"):
        erase(entries[1], "--yes")
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="nothing was changed"):
        erase(entries[2], "--yes")
    assert LogEntry.objects.get(pk=entries[2].pk).message == entries[2].message


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE activity_logentry SET message = 'x' WHERE id = {id}",
        "UPDATE activity_logentry SET level = 40 WHERE id = {id}",
        "UPDATE activity_logentry SET at = '2020-01-01 00:00:00+00:00' WHERE id = {id}",
        "INSERT INTO activity_prunerequest (entry_id, export, reason) VALUES ({id}, '', '')",
        "INSERT INTO activity_prunerequest (entry_id, export, reason) VALUES ({id} + 1000, '', 'x')",
        "INSERT INTO activity_prunerequest (entry_id, before, export, reason) VALUES ({id}, '2020-01-01', '', 'x')",
        "INSERT INTO activity_prunerequest (export, reason) VALUES ('', 'x')",
    ],
)
def test_the_database_allows_no_other_change(change: str) -> None:
    entry = sealed(1)[0]
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change.format(id=entry.pk))
    entry.refresh_from_db()
    assert entry.message == "entry 0"
    assert not LogEntry.objects.filter(verb=Verb.LOG_ERASED).exists()


def test_entries_about_keys_are_never_pruned() -> None:
    keys.ensure()
    with as_owner():
        LogEntry.objects.update(at=ago(days=400))
    seal()
    old(3)
    prune()
    assert LogEntry.objects.filter(verb=Verb.SEAL_KEY_MADE).exists()
    assert findings() == []


def test_who_dates_an_entry_back_does_not_have_its_deletion_stated() -> None:
    old(300)
    entries = sealed(3)
    execute("UPDATE activity_logentry SET at = %s WHERE id = %s", [ago(days=399), entries[1].pk])
    with pytest.raises(CommandError, match=f"Entry {entries[1].pk} was changed after it was sealed.*Nothing was del"):
        prune()
    assert not SealStatement.objects.exists()
    assert f"Entry {entries[1].pk:,} was changed after it was sealed." in findings()


def test_who_changes_an_old_entry_with_its_hash_does_not_have_both_taken_away() -> None:
    entries = old(600)
    seal()
    execute("UPDATE activity_logentry SET message = 'harmless' WHERE id = %s", [entries[400].pk])
    [(_, data)] = read_entries(connection, entries[400].pk - 1, entries[400].pk)
    leaf = tree.leaf_index(entries[400].pk)
    tile = SealTile.objects.get(level=0, number=leaf // 256)
    hashes = bytearray(tile.hashes)
    hashes[leaf % 256 * 32 : leaf % 256 * 32 + 32] = leaf_hash(data)
    SealTile.objects.filter(pk=tile.pk).update(hashes=bytes(hashes))
    with pytest.raises(CommandError, match="Hashes of the sealed log were changed, in tile 1"):
        prune()


def test_an_entry_that_was_erased_can_be_deleted_later() -> None:
    entries = old(3)
    seal()
    erase(entries[1], "--yes")
    prune()
    assert findings() == []


def test_a_recording_is_compared_with_its_hash_after_the_entry_that_closed_it_was_erased() -> None:
    recording = make_recording()
    sealed(2)
    closing = LogEntry.objects.get(verb=Verb.RECORDING_CLOSED)
    before = closing.details
    erase(closing, "--yes")
    closing.refresh_from_db()
    assert closing.details == {}
    assert statement()["kept"] == {key: value for key, value in before.items() if key != "size"}
    assert findings() == []
    path = Path(storage().path(recording.path))
    path.write_bytes(path.read_bytes() + b"changed")
    type(recording).objects.filter(pk=recording.pk).update(sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    found = findings()
    assert any("its row says SHA-256" in text for text in found)
    assert any(recording.path in text for text in found)


def test_a_statement_keeps_what_was_sealed_and_not_what_the_entry_said_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = make_recording()
    sealed(2)
    real = erase_module.erasable

    def forged(entry_id: int) -> LogEntry:
        entry = real(entry_id)
        entry.details = {**entry.details, "sha256": "0" * 64}
        return entry

    monkeypatch.setattr(erase_module, "erasable", forged)
    erase_module.erase(LogEntry.objects.get(verb=Verb.RECORDING_CLOSED).pk, "asked for")
    assert statement()["kept"]["sha256"] == recording.sha256


@pytest.mark.parametrize("details", [["recording"], "recording", 5])
def test_an_entry_whose_details_are_no_object_can_be_erased(details: Any) -> None:
    entry = make_entry(verb=Verb.RECORDING_CLOSED, details=details)
    seal()
    erase_module.erase(entry.pk, "asked for")
    entry.refresh_from_db()
    assert entry.details == {}


def test_a_sealing_at_the_same_moment_refuses_no_pruning(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = sealed(3)
    real = tree.size

    def sealed_meanwhile() -> int:
        monkeypatch.setattr(tree, "size", real)
        sealed(300)
        return real()

    monkeypatch.setattr(tree, "size", sealed_meanwhile)
    assert len(unchanged_leaves_of(entry.pk for entry in entries)) == 1


@pytest.mark.parametrize("level", [0, 1])
def test_nothing_is_pruned_while_hashes_that_prove_it_are_missing(level: int, tmp_path: Path) -> None:
    old(900)
    sealed(3)
    SealTile.objects.filter(level=level, number=0).delete()
    file = tmp_path / "old.jsonl"
    with pytest.raises(CommandError, match=r"[Nn]othing was deleted"):
        call_command("prune_activity", "--before", ago(days=30).isoformat(), "--export", str(file), "--yes")
    assert list(tmp_path.iterdir()) == []
    assert LogEntry.objects.filter(message__startswith="old").count() == 900
