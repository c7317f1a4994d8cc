"""verify_log finds and names what the owner of the database did to the sealed log."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from django.utils import timezone

from activity import append_only, log
from activity.models import Checkpoint, Level, LogEntry, SealState, SealTile
from activity.seal import comparing, tree, verification
from activity.seal.rows import read_entries
from activity.verbs import Verb
from activity.verify_sessionadmin import checkpoint_text, key_id, leaf_hash, signature_line, vkey_line
from sessions_app import sealing
from sessions_app.evidence import keys, publishing
from sessions_app.evidence.models import KeyState, SigningKey
from tests.support.entries import ago
from tests.support.recordings import make_recording
from tests.support.sealing import as_owner, execute, findings, kept, key_file, seal, sealed, verify, write

pytestmark = pytest.mark.django_db
TABLE = "activity_logentry"


def test_a_log_that_nobody_touched_verifies(tmp_path: Path) -> None:
    sealed(600)
    first = kept(seal(), tmp_path)
    write(100)
    seal()
    write(3)
    code, said = verify("--checkpoint", first, "--key", key_file(tmp_path))
    assert code == 0, said
    assert "entries were compared with the tree of" in said
    assert "3 newer entries are not sealed yet" in said
    assert "checkpoints were compared" in said
    assert "Nothing wrong was found." in said


def test_a_log_without_anything_sealed_verifies_and_says_so() -> None:
    write(2)
    code, said = verify()
    assert code == 0
    assert f"{LogEntry.objects.count()} newer entries are not sealed yet" in said
    assert "There is no checkpoint" in said


def test_a_changed_byte_is_found() -> None:
    entries = sealed(300)
    execute(f"UPDATE {TABLE} SET message = 'entry 28o' WHERE id = %s", [entries[280].pk])
    assert findings() == [f"Entry {entries[280].pk:,} was changed after it was sealed."]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "2026-01-01 00:00:00+00:00"),
        ("actor_name", "mallory"),
        ("verb", "login.failed"),
        ("level", 40),
        ("outcome", "denied"),
        ("target_name", "x"),
        ("ip", "192.0.2.1"),
        ("login_id", 5),
        ("details", '{"number": 8}'),
        ("user_name", "mallory"),
    ],
)
def test_a_change_of_any_column_is_found(column: str, value: object) -> None:
    entries = sealed(10)
    execute(f"UPDATE {TABLE} SET {column} = %s WHERE id = %s", [value, entries[7].pk])
    assert f"Entry {entries[7].pk:,} was changed after it was sealed." in findings()


def test_deleted_rows_are_found_and_those_beside_each_other_told_together() -> None:
    entries = sealed(300)
    gone = [entries[5], *entries[100:120]]
    execute(f"DELETE FROM {TABLE} WHERE id IN ({', '.join(str(entry.pk) for entry in gone)})")
    assert findings() == [
        f"Entry {entries[5].pk:,} is missing: it was sealed, and was deleted.",
        f"20 entries, {entries[100].pk:,} to {entries[119].pk:,}, are missing: they were sealed, and were deleted.",
    ]


def test_a_row_with_an_earlier_number_is_behind_the_seal() -> None:
    entries = write(20)
    with as_owner():
        entries[10].delete()
    seal()
    execute(
        f"INSERT INTO {TABLE} (id, at, actor_name, user_name, verb, level, message, target_type, target_name, details, "
        "outcome) VALUES (%s, %s, '', '', 'login.succeeded', 20, 'never was', '', '', '{}', 'success')",
        [entries[9].pk + 1, timezone.now()],
    )
    assert findings() == [
        f"Entry {entries[9].pk + 1:,} appeared behind the seal: it was not there when later entries were sealed."
    ]


def test_a_row_that_is_dated_back_is_found() -> None:
    sealed(5)
    late = log.record(Verb.LOGIN, "dated back", at=ago(days=3))
    seal()
    assert any("dated back" in text and f"number {late.pk} " in text for text in findings())


def test_two_rows_that_were_swapped_are_found() -> None:
    entries = sealed(20)
    one, other = entries[3].pk, entries[8].pk
    with as_owner(), connection.cursor() as cursor:
        for old, new in ((one, -1), (other, one), (-1, other)):
            cursor.execute(f"UPDATE {TABLE} SET id = %s WHERE id = %s", [new, old])
    assert findings() == [
        f"Entry {one:,} was changed after it was sealed.",
        f"Entry {other:,} was changed after it was sealed.",
    ]


def test_a_trigger_that_is_gone_is_found_and_one_that_was_made_anew_hides_nothing() -> None:
    entries = sealed(20)
    append_only.remove(connection)
    assert any("trigger" in text and "missing" in text for text in findings())
    append_only.renew(connection)
    assert findings() == []
    execute(f"DELETE FROM {TABLE} WHERE id = %s", [entries[4].pk])  # drops and makes them anew around it
    assert findings() == [f"Entry {entries[4].pk:,} is missing: it was sealed, and was deleted."]


# --- the tree


def _leaf_of(entry: LogEntry) -> bytes:
    [(_, data)] = read_entries(connection, entry.pk - 1, entry.pk)
    return leaf_hash(data)


def _change_leaf(entry: LogEntry) -> int:
    """Let the tree's leaf fit the entry as it is now. Return the number of its tile."""
    index = tree.leaf_index(entry.pk)
    tile = SealTile.objects.get(level=0, number=index // 256)
    hashes = bytearray(tile.hashes)
    hashes[index % 256 * 32 : index % 256 * 32 + 32] = _leaf_of(entry)
    SealTile.objects.filter(pk=tile.pk).update(hashes=bytes(hashes))
    return tile.number


def test_a_change_with_its_leaf_does_not_fit_the_tree_above() -> None:
    entries = sealed(300)
    execute(f"UPDATE {TABLE} SET message = 'changed' WHERE id = %s", [entries[100].pk])
    _change_leaf(entries[100])
    found = findings()
    assert found[0].startswith("The checkpoint of")
    assert "has another root than the tree has" in found[0]
    assert found[1] == (
        "Tile 0 of level 1 of the tree does not fit what is below it: hashes of leaves 0 to 255 were changed."
    )


def test_a_change_with_the_whole_tree_does_not_fit_the_checkpoints() -> None:
    sealed(100)
    old = seal()
    entries = write(300)
    seal()
    execute(f"UPDATE {TABLE} SET message = 'changed' WHERE id = %s", [entries[10].pk])
    number = _change_leaf(entries[10])
    above = SealTile.objects.get(level=1, number=0)
    leaves = tree.split_hashes(bytes(SealTile.objects.get(level=0, number=number).hashes))
    hashes = bytearray(above.hashes)
    hashes[number * 32 : number * 32 + 32] = tree.rows_over(leaves)[-1][0]
    SealTile.objects.filter(pk=above.pk).update(hashes=bytes(hashes))
    [found] = findings()
    assert f"after leaf {old.size - 1:,}, where an earlier checkpoint holds," in found


def test_a_tile_that_is_gone_or_broken_is_found() -> None:
    sealed(600)
    tile = SealTile.objects.get(level=0, number=1)
    SealTile.objects.filter(pk=tile.pk).update(hashes=bytes(tile.hashes)[:-32])
    assert findings() == ["Leaves 256 to 511 of the tree are damaged: their hashes and numbers do not fit together."]
    SealTile.objects.filter(pk=tile.pk).update(hashes=b"", ids=b"")
    assert findings()[0] == "Leaves 256 to 511 of the tree are missing, and no signed statement says why."
    tile.delete()
    assert findings() == ["Leaves 256 to 511 of the tree are missing: their hashes were deleted."]
    SealTile.objects.filter(level=1).delete()
    assert "Tile 0 of level 1 of the tree is missing." in findings()


# --- checkpoints and keys


def _forged(name: str, size: int, root: bytes, seed: int = 9) -> tuple[str, bytes]:
    """Return a checkpoint that a stranger signed in the name of the log, and the stranger's public key."""
    secret = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    public, text = secret.public_key().public_bytes_raw(), checkpoint_text(name, size, root)
    return f"{text}\n{signature_line(name, public, secret.sign(text.encode()))}", public


def test_a_checkpoint_forged_with_another_key_is_found() -> None:
    sealed(20)
    checkpoint = seal()
    note, _ = _forged(keys.active().name, checkpoint.size, bytes(checkpoint.root))
    Checkpoint.objects.filter(pk=checkpoint.pk).update(note=note)
    [found] = findings()
    assert f"The checkpoint of {checkpoint.size:,} entries" in found
    assert "but by another key" in found


def test_a_checkpoint_whose_row_or_text_was_changed_is_found() -> None:
    sealed(20)
    checkpoint = seal()
    Checkpoint.objects.filter(pk=checkpoint.pk).update(root=b"x" * 32)
    assert "Its row says something else than what was signed." in findings()[0]
    Checkpoint.objects.filter(pk=checkpoint.pk).update(root=checkpoint.root, note="nonsense")
    assert "It is no signed note" in findings()[0]


def test_a_key_that_the_console_did_not_make_is_not_trusted() -> None:
    sealed(20)
    checkpoint = seal()
    name = keys.active().name
    note, public = _forged(name, checkpoint.size, bytes(checkpoint.root))
    Checkpoint.objects.filter(pk=checkpoint.pk).update(note=note)
    SigningKey.objects.create(
        state=KeyState.RETIRED,
        name=name,
        fingerprint=key_id(name, public).hex(),
        public_key=base64.b64encode(public).decode(),
        private_key="",
        signs_until=timezone.now(),
    )
    found = findings()
    assert (
        f"{name}+{key_id(name, public).hex()} is not to be trusted: no entry of the log says that it was made."
        in found[0]
    )
    assert "but by another key" in found[1]
    # With the active row exchanged, too: ENCRYPTION_KEYS is not in the database.
    log.record(Verb.SEAL_KEY_MADE, "Made a key", details={"key": vkey_line(name, public)})
    SigningKey.objects.filter(state=KeyState.RETIRED).delete()
    SigningKey.objects.update(public_key=base64.b64encode(public).decode(), fingerprint=key_id(name, public).hex())
    assert "its private key is that of another public key" in findings()[0]


def test_keys_from_outside_alone_count_when_they_are_given(tmp_path: Path) -> None:
    sealed(5)
    given = key_file(tmp_path)
    assert findings("--key", given) == []
    keys.rotate(overlap=dt.timedelta(0))
    seal()
    found = findings("--key", given)
    assert any("is none of those that were given" in text for text in found)
    assert "No such file" in verify("--key", tmp_path / "missing")[1]


# --- what only a checkpoint from outside shows


def _cut(entries: list[LogEntry], size: int) -> None:
    """Cut the end of the log off, as somebody does who knows everything that the console keeps."""
    last = entries[0].pk - 1
    execute(f"DELETE FROM {TABLE} WHERE id > %s", [last])
    Checkpoint.objects.filter(size__gt=size).delete()
    SealTile.objects.filter(level=0, first_id__gt=last).delete()
    tile = SealTile.objects.filter(level=0).order_by("-number").get()
    count = size - tile.number * 256
    tile.hashes, tile.ids, tile.last_id = bytes(tile.hashes)[: count * 32], bytes(tile.ids)[: count * 8], last
    tile.save()
    SealState.objects.update(size=size, last_id=last)
    if connection.vendor == "sqlite":
        execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [last, TABLE])
    else:
        execute(f"SELECT setval(pg_get_serial_sequence('{TABLE}', 'id'), %s)", [last])


def test_an_end_that_was_cut_off_is_found() -> None:
    sealed(20)
    size = seal().size
    entries = write(30)
    newest = seal()
    execute(f"DELETE FROM {TABLE} WHERE id > %s", [entries[0].pk - 1])
    assert f"30 entries, {entries[0].pk:,} to {entries[-1].pk:,}, are missing" in findings()[-1]
    SealState.objects.update(size=size, last_id=entries[0].pk - 1)
    assert f"There is a checkpoint of {newest.size:,} entries, but only {size:,} are sealed" in " ".join(findings())


def test_a_log_that_was_rolled_back_is_found_with_a_checkpoint_from_outside(tmp_path: Path) -> None:
    sealed(20)
    size = seal().size
    entries = write(30)
    outside = kept(seal(), tmp_path)
    _cut(entries, size)
    assert findings() == []  # the database alone cannot show it
    [found] = findings("--checkpoint", outside)
    assert "is of a larger log: the end of this one was cut off, or an old backup was restored" in found
    write(40)  # the log grew again, and other entries took the numbers
    seal()
    [found] = findings("--checkpoint", outside)
    assert "has another root than the tree has" in found


def test_what_is_no_checkpoint_of_this_log_is_refused(tmp_path: Path) -> None:
    sealed(3)
    path = tmp_path / "forged"
    path.write_text(_forged(keys.active().name, 3, hashlib.sha256(b"").digest())[0])
    code, said = verify("--checkpoint", path)
    assert code == 1
    assert "is no checkpoint of this log" in said


# --- options


def test_since_compares_the_newer_entries_only() -> None:
    entries = sealed(700)
    execute(f"UPDATE {TABLE} SET message = 'changed' WHERE id IN (%s, %s)", [entries[10].pk, entries[690].pk])
    assert len(findings()) == 2
    assert findings("--since", entries[600].pk) == [f"Entry {entries[690].pk:,} was changed after it was sealed."]
    _, said = verify("--since", (timezone.now() + dt.timedelta(days=1)).isoformat())
    assert "512 leaves before were not compared" in said
    assert len(findings("--since", "2020-01-01")) == 2


def test_a_recording_is_compared_with_the_entry_that_closed_it() -> None:
    recording = make_recording()
    sealed(2)
    assert findings() == []
    type(recording).objects.filter(pk=recording.pk).update(sha256="0" * 64)
    assert any("its row says SHA-256" in text for text in findings())
    assert findings("--without-recordings") == []


@pytest.mark.django_db(transaction=True)
def test_several_processes_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "TILES_OF_PART", 1)
    monkeypatch.setattr(verification, "TILES_OF_PART", 1)
    entries = sealed(900)
    execute(f"DELETE FROM {TABLE} WHERE id IN (%s, %s)", [entries[5].pk, entries[-5].pk])
    alone = findings("--processes", 1)
    assert len(alone) == 2
    assert findings("--processes", 2) == alone


def test_a_key_that_signs_no_more_counts_only_if_the_next_one_vouches_for_it() -> None:
    """Who owns the database adds a retired key, which has no private key, and an entry that tells of it."""
    sealed(10)
    keys.rotate()
    seal()
    keys.rotate(dt.timedelta(0))
    keys.retire_those_due(timezone.now() + dt.timedelta(days=40))
    sealed(3)
    assert findings() == []
    public, name = Ed25519PrivateKey.generate().public_key().public_bytes_raw(), keys.active().name
    forged = vkey_line(name, public)
    SigningKey.objects.create(
        state=KeyState.RETIRED,
        name=name,
        fingerprint=key_id(name, public).hex(),
        public_key=base64.b64encode(public).decode(),
        signs_until=timezone.now(),
    )
    genuine = LogEntry.objects.filter(verb=Verb.SEAL_KEY_ROTATED, details__has_key="handover").latest("pk")
    log.record(Verb.SEAL_KEY_ROTATED, "signs no more", details=genuine.details | {"old": forged})
    seal()
    assert findings() == [
        f"The signing key {name}+{key_id(name, public).hex()} is not to be trusted: no newer key vouches for it, so "
        "that anybody can have added it to the database."
    ]


def test_a_key_that_somebody_had_sealed_as_a_password_does_not_count() -> None:
    sealed(3)
    chosen = b"a password of 32 characters, yes"
    public, name = Ed25519PrivateKey.from_private_bytes(chosen).public_key().public_bytes_raw(), keys.active().name
    SigningKey.objects.create(
        state=KeyState.LEAVING,
        name=name,
        fingerprint=key_id(name, public).hex(),
        public_key=base64.b64encode(public).decode(),
        private_key=sealing.seal(chosen),
        signs_until=timezone.now() + dt.timedelta(days=1),
    )
    log.record(Verb.SEAL_KEY_ROTATED, "signs", details={"new": vkey_line(name, public)})
    assert [text for text in findings() if "its private key is text" in text]


def test_a_checkpoint_from_outside_counts_for_what_is_not_compared_too(tmp_path: Path) -> None:
    """Somebody makes the history anew, and has the console sign it: the checkpoints in the database are gone."""
    entries = sealed(300)
    outside = kept(seal(), tmp_path)
    newer = sealed(300)
    assert findings("--checkpoint", outside, "--since", newer[299].pk) == []
    execute(f"UPDATE {TABLE} SET message = 'harmless' WHERE id = %s", [entries[3].pk])
    Checkpoint.objects.all().delete()
    SealTile.objects.all().delete()
    SealState.objects.all().delete()
    seal()
    [found] = findings("--checkpoint", outside, "--since", newer[299].pk)
    assert "has another root than the tree has" in found


def test_the_file_to_which_checkpoints_are_appended_counts_as_a_whole(tmp_path: Path, settings: Any) -> None:
    settings.EVIDENCE_CHECKPOINT_FILE, settings.EVIDENCE_CHECKPOINT_FILE_MODE = str(tmp_path / "kept"), "append"
    for _ in range(3):
        sealed(2)
        publishing.to_file(seal())
    assert findings("--checkpoint", tmp_path / "kept") == []
    Checkpoint.objects.all().delete()
    SealState.objects.update(size=4)
    assert any(
        f"entries in {tmp_path / 'kept'} is of a larger log" in text
        for text in findings("--checkpoint", tmp_path / "kept")
    )


def test_an_entry_between_two_tiles_is_not_hidden_by_what_the_first_one_calls_its_last_number() -> None:
    write(600)
    numbers = list(LogEntry.objects.order_by("pk").values_list("pk", flat=True))
    with as_owner():
        LogEntry.objects.filter(pk__in=numbers[256:260]).delete()
    seal()
    planted = numbers[257]
    LogEntry.objects.bulk_create([LogEntry(pk=planted, verb=Verb.LOGIN, message="planted", level=Level.INFO)])
    behind = f"Entry {planted:,} appeared behind the seal: it was not there when later entries were sealed."
    assert findings() == [behind]
    SealTile.objects.filter(level=0, number=0).update(last_id=planted)
    assert findings() == ["Leaves 0 to 255 of the tree are damaged: their hashes and numbers do not fit together."]


def test_a_number_of_a_tile_that_was_cut_in_half_is_a_finding() -> None:
    sealed(600)
    tile = SealTile.objects.get(level=0, number=1)
    SealTile.objects.filter(pk=tile.pk).update(ids=bytes(tile.ids)[:-3])
    assert findings() == ["Leaves 256 to 511 of the tree are damaged: their hashes and numbers do not fit together."]


def test_a_public_key_that_cannot_be_read_is_a_finding() -> None:
    sealed(3)
    SigningKey.objects.update(public_key="no key")
    assert any("is not to be trusted: its public key cannot be read" in text for text in findings())


# --- recordings


def test_a_second_entry_about_a_recording_does_not_take_the_place_of_the_first() -> None:
    """Who owns the database changes file and row, and appends an entry that says the same."""
    recording = make_recording()
    sealed(2)
    closing = LogEntry.objects.get(verb=Verb.RECORDING_CLOSED)
    forged = hashlib.sha256(b"another file").hexdigest()
    type(recording).objects.filter(pk=recording.pk).update(sha256=forged)
    log.record(
        Verb.RECORDING_CLOSED,
        "closed",
        target=recording.session,
        details={**closing.details, "sha256": forged},
    )
    seal()
    assert any(f"but the entry that closed it says “{closing.details['sha256']}”" in text for text in findings())


@pytest.mark.parametrize("number", [10**30, 2**63, 0, -1, True, "1", None])
def test_an_entry_about_a_recording_of_no_number_that_there_can_be_is_passed_over(number: object) -> None:
    make_recording()
    sealed(2)
    log.record(Verb.RECORDING_CLOSED, "closed", details={"recording": number})
    seal()
    assert findings() == []


def test_a_recording_whose_row_was_deleted_is_missing() -> None:
    recording = make_recording()
    sealed(2)
    recording.lines.all().delete()
    type(recording).objects.filter(pk=recording.pk).delete()
    assert findings() == [f"Recording {recording.pk} is missing, although the log says that it was closed."]
