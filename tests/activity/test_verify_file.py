"""Somebody who has an export, a checkpoint and the public key finds out offline what holds; without the console."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activity import verify_sessionadmin
from activity.verify_sessionadmin import (
    MANIFEST,
    STATEMENT,
    Frontier,
    canonical_json,
    checkpoint_text,
    leaf_hash,
    main,
    signature_line,
    vkey_line,
)
from tests.support.rfc9162 import consistency_path, inclusion_path

ORIGIN = "console.example.com/log"


class Key:
    """A key that signs as the console does."""

    def __init__(self, seed: int = 1, name: str = ORIGIN) -> None:
        self._secret = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self._name, self._public = name, self._secret.public_key().public_bytes_raw()
        self.line = vkey_line(name, self._public)

    def sign(self, text: str) -> str:
        return f"{text}\n{signature_line(self._name, self._public, self._secret.sign(text.encode()))}"


KEY = Key()


def entry(number: int, **values: Any) -> dict[str, Any]:
    return {"id": number, "message": f"entry {number} — ü", "details": {"n": number}, "v": 1, **values}


class Log:
    """A sealed log of so many entries, with the numbers 101, 102 and so on."""

    def __init__(self, size: int) -> None:
        self.entries = [entry(101 + number) for number in range(size)]

    @property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(canonical_json(one)) for one in self.entries]

    def root(self, size: int | None = None) -> bytes:
        tree = Frontier()
        for leaf in self.leaves[:size]:
            tree.append(leaf)
        return tree.root()

    def checkpoint(self, size: int | None = None, key: Key = KEY, origin: str = ORIGIN) -> str:
        return key.sign(checkpoint_text(origin, size or len(self.entries), self.root(size)))

    def proofs(self, indexes: Iterable[int]) -> list[dict[str, Any]]:
        lines, before = [], list[bytes]()
        for index in indexes:
            path = inclusion_path(self.leaves, index)
            same = next((n for n in range(min(len(path), len(before)), 0, -1) if path[-n:] == before[-n:]), 0)
            own = [base64.b64encode(one).decode() for one in path[: len(path) - same]]
            hashed = base64.b64encode(self.leaves[index]).decode()
            lines.append({"id": self.entries[index]["id"], "leaf": index, "hash": hashed, "path": own, "same": same})
            before = path
        return lines

    def continuation(self, old: int) -> str:
        proof = "".join(f"{base64.b64encode(one).decode()}\n" for one in consistency_path(self.leaves, old))
        return f"old {old}\n{proof}\n{self.checkpoint()}"


class Export:
    """The files of one download; a test changes what it likes before it writes them."""

    def __init__(self, log: Log, indexes: Sequence[int], form: str = "jsonl") -> None:
        rows = [log.entries[index] for index in indexes]
        if form == "jsonl":
            pairs = zip(rows, indexes, strict=True)
            self.file = b"".join(canonical_json({"entry": row, "leaf": index}) + b"\n" for row, index in pairs)
        else:
            lines = (f"{row['id']},{row['message']}" for row in rows)
            self.file = "".join(f"{line}\r\n" for line in ["ID,Message", *lines]).encode()
        self.name = f"activity-log.{form}"
        self.proofs = b"".join(canonical_json(one) + b"\n" for one in log.proofs(indexes))
        self.facts: dict[str, Any] = {
            "v": 1,
            "list": "activity-log",
            "file": self.name,
            "format": form,
            "filters": {"level": "warning"},
            "zone": "UTC",
            "rows": len(rows),
            "complete": True,
            "first_id": rows[0]["id"],
            "last_id": rows[-1]["id"],
            "size": len(self.file),
            "sha256": hashlib.sha256(self.file).hexdigest(),
            "made_at": "2026-01-31T12:00:00Z",
            "made_by": "auditor",
            "checkpoint": log.checkpoint(),
            "proofs": {"file": f"{self.name}.proofs.jsonl", "sha256": hashlib.sha256(self.proofs).hexdigest()},
        }
        self.key = KEY
        self.more: dict[str, bytes] = {}

    def manifest(self) -> str:
        return self.key.sign(f"{MANIFEST}\n{canonical_json(self.facts).decode()}\n")

    def archive(self, folder: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
        path = folder / "export.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr(self.name, self.file)
            if self.facts["proofs"]:
                archive.writestr(f"{self.name}.proofs.jsonl", self.proofs)
            for name, data in self.more.items():
                archive.writestr(name, data)
            archive.writestr(f"{self.name}.manifest", self.manifest())
        return path

    def beside(self, folder: Path) -> Path:
        path = folder / self.name
        path.write_bytes(self.file)
        (folder / f"{self.name}.manifest").write_text(self.manifest())
        (folder / f"{self.name}.proofs.jsonl").write_bytes(self.proofs)
        return path


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs the program and returns its exit code and what it printed."""

    def run(*arguments: object, key: str = KEY.line) -> tuple[int, str]:
        code = main(["--key", key, *map(str, arguments)])
        printed = capsys.readouterr()
        assert not printed.err or code == 2
        return code, printed.out + printed.err

    return run


# --- what holds


def test_an_archive_of_json_lines_holds_row_by_row(run: Run, tmp_path: Path) -> None:
    code, said = run(Export(Log(300), range(20, 290)).archive(tmp_path))
    assert code == 0
    assert f"The manifest is signed by {ORIGIN}" in said
    assert "auditor exported 270 rows as activity-log.jsonl at 2026-01-31T12:00:00Z" in said
    assert "The file is as it was exported" in said
    assert "Each entry in it, with every detail, is in the sealed log of the checkpoint: 270 rows." in said
    assert "one beside the other in the log (leaves 20 to 289): none was left out" in said
    assert "Nothing wrong was found. 1 thing could not be checked." in said
    assert "not checked  Whether the log was later changed" in said


def test_rows_from_the_newest_on_and_rows_that_a_filter_chose_hold_too(run: Run, tmp_path: Path) -> None:
    code, said = run(Export(Log(50), range(49, 30, -1)).archive(tmp_path))
    assert code == 0
    assert "none was left out" in said
    code, said = run(Export(Log(50), [40, 3, 7, 8, 9]).archive(tmp_path))
    assert code == 0
    assert "5 rows" in said
    assert "Whether the filter left out rows" in said


def test_a_file_with_its_manifest_beside_it_holds(run: Run, tmp_path: Path) -> None:
    path = Export(Log(20), range(5, 9), "csv").beside(tmp_path)
    for name in (path, f"{path}.manifest"):
        code, said = run(name)
        assert code == 0
        assert "Each number of an entry in it is in the sealed log of the checkpoint: 4 rows." in said


def test_a_workbook_holds_as_a_whole(run: Run, tmp_path: Path) -> None:
    export = Export(Log(20), range(5, 9), "csv")
    export.file, export.name = b"PK\x03\x04 a workbook", "activity-log.xlsx"
    export.facts |= {"format": "xlsx", "size": len(export.file), "sha256": hashlib.sha256(export.file).hexdigest()}
    code, said = run(export.beside(tmp_path))
    assert code == 0
    assert "The file is as it was exported" in said
    assert "not checked  The rows of a workbook one by one" in said


def test_a_checkpoint_from_elsewhere_and_a_proof_show_that_the_log_only_grew(run: Run, tmp_path: Path) -> None:
    log = Log(40)
    (tmp_path / "mailed").write_text(log.checkpoint(13))
    (tmp_path / "proof").write_text(log.continuation(13))
    export = Export(log, range(4)).archive(tmp_path)
    code, said = run("--checkpoint", tmp_path / "mailed", tmp_path / "proof", export)
    assert code == 0
    assert "The log only grew between console.example.com/log with 13 entries" in said
    assert said.endswith("Nothing wrong was found.\n")
    code, said = run("--checkpoint", tmp_path / "mailed", export)
    assert code == 0
    assert "log_checkpoint --since 13" in said


def test_a_manifest_alone_says_nothing_of_what_became_of_the_log_later(run: Run, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text(Export(Log(5), range(5)).manifest())
    code, said = run(tmp_path / "kept")
    assert code == 0
    assert "not checked  The file that the manifest is about" in said
    assert "not checked  Whether the log was later changed" in said


def test_the_key_may_be_in_a_file_and_one_of_several_is_enough(run: Run, tmp_path: Path) -> None:
    keys = tmp_path / "log.vkey"
    keys.write_text(f"# keys of the console\n{Key(7).line}\n\n{KEY.line}\n")
    code, said = run(Export(Log(5), range(5)).archive(tmp_path), key=str(keys))
    assert code == 0, said


def test_rows_that_are_not_sealed_yet_are_said_and_no_finding(run: Run, tmp_path: Path) -> None:
    log = Log(9)
    export = Export(log, range(9))
    export.file += canonical_json({"entry": entry(200), "leaf": None}) + b"\n"
    export.proofs += b'{"id":200,"leaf":null}\n'
    export.facts |= {"rows": 10, "last_id": 200, "size": len(export.file)}
    export.facts["sha256"] = hashlib.sha256(export.file).hexdigest()
    export.facts["proofs"]["sha256"] = hashlib.sha256(export.proofs).hexdigest()
    code, said = run(export.archive(tmp_path))
    assert code == 0
    assert "not checked  1 rows that were not sealed yet" in said


# --- what does not


def _forged_row(export: Export) -> None:
    """Change a row as somebody who holds the key of the console, but cannot change the log that others have seen."""
    export.file = export.file.replace(b"entry 104", b"entry 999")
    export.facts |= {"sha256": hashlib.sha256(export.file).hexdigest()}


def _forged_row_and_proof(export: Export) -> None:
    log = Log(30)
    log.entries[3]["message"] = "entry 999 — ü"
    lines = [json.loads(line) for line in export.proofs.splitlines()]
    lines[3]["hash"] = base64.b64encode(log.leaves[3]).decode()
    export.proofs = b"".join(canonical_json(line) + b"\n" for line in lines)
    export.facts["proofs"]["sha256"] = hashlib.sha256(export.proofs).hexdigest()
    _forged_row(export)


def _row_taken_out(export: Export) -> None:
    lines = export.file.splitlines(keepends=True)
    del lines[2]
    export.file = b"".join(lines)


def _set(**values: Any) -> Callable[[Export], None]:
    def change(export: Export) -> None:
        for name, value in values.items():
            setattr(export, name, value)

    return change


def _both(*changes: Callable[[Export], None]) -> Callable[[Export], None]:
    def change(export: Export) -> None:
        for one in changes:
            one(export)

    return change


def _facts(**values: Any) -> Callable[[Export], None]:
    return lambda export: export.facts.update(values)


TAMPERED: dict[str, tuple[Callable[[Export], None], str]] = {
    "a changed byte": (
        lambda export: setattr(export, "file", export.file.replace(b"entry 104", b"entry 904")),
        "Row 4, entry 104: it was changed",
    ),
    "a row taken out": (_row_taken_out, "Row 3: The proofs are not of these rows: at entry 104 there is one of 103"),
    "a row added": (
        lambda export: setattr(export, "file", export.file + b'{"entry":{"id":1},"leaf":4}\n'),
        "The file is longer than what was exported",
    ),
    "a changed row in a signed manifest": (_forged_row, "Row 4, entry 104: it was changed"),
    "a changed row and its hash": (_forged_row_and_proof, "entry 104: it is not in the log of the checkpoint"),
    "fewer proofs": (_set(proofs=b""), "The proofs end before the rows do"),
    "odd proofs": (_set(proofs=b"[]\n" * 30), "Row 1: It is no JSON object"),
    "a proof with a key twice": (_set(proofs=b'{"id":101,"id":101}\n' * 30), "a key is there twice"),
    "a proof of huge numbers": (
        _set(proofs=b'{"id":101,"leaf":99999999999999999999,"hash":"","path":[],"same":7}\n'),
        "entry 101: its proof cannot be read",
    ),
    "another key of the same name": (_set(key=Key(2)), f"in the name of {ORIGIN}, but by another key"),
    "a stranger's key": (_set(key=Key(2, "mallory.example/log")), "None of the keys that you gave signed it"),
    "another number of rows": (_facts(rows=31), "The file has 30 rows, but 31 were exported"),
    "another first entry": (_facts(first_id=100), "The first and last entries are 101 and 130, but 100 and 130"),
    "a broken download": (_facts(complete=False), "the download was broken off"),
    "an odd manifest": (_facts(rows=-1), "not of the form that this program knows"),
    "a manifest without facts": (_set(facts={"proofs": None}), "not of the form that this program knows"),
    "a forged checkpoint": (
        _facts(checkpoint=Log(30).checkpoint(key=Key(2))),
        "The checkpoint in the manifest does not hold. It is signed in the name of",
    ),
    "a checkpoint of another log": (
        _facts(checkpoint=Log(30).checkpoint(origin="other.example/log")),
        "about the log other.example/log",
    ),
    "a file more": (_set(more={"virus.exe": b"x"}), "The archive also has virus.exe"),
    "two manifests": (_set(more={"x.manifest": b"x"}), "it does not have one manifest"),
    "an endless row": (
        _both(_set(file=b"[" * 20_000_000), _facts(size=30_000_000)),
        "A line is longer than",
    ),
    "a nest of brackets": (
        _both(_set(file=b"[" * 100_000), _facts(size=200_000)),
        "no JSON that can be trusted",
    ),
    "no number": (
        _set(file=b'{"entry":{"id":NaN},"leaf":1}\n'),
        "NaN is no number",
    ),
    "a number without end": (
        _both(_set(file=b'{"entry":{"id":' + b"9" * 5000 + b"}}\n"), _facts(size=9000)),
        "no JSON that can be trusted",
    ),
    "a bomb": (
        _set(file=b'{"entry":1}\n' + b"0" * 50_000_000),
        "The file is longer than what was exported",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_named(name: str, run: Run, tmp_path: Path) -> None:
    change, expected = TAMPERED[name]
    export = Export(Log(30), range(30))
    change(export)
    code, said = run(export.archive(tmp_path))
    assert code == 1
    assert f"  WRONG        {expected}" in said or ("WRONG" in said and expected in said)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (b'ID,Message\r\n101,"broken', "Row 1 cannot be read as CSV"),
        (b"ID,Message\r\nx,y\r\n", "Row 1 has no number of an entry"),
        (b"ID,Message\r\n\r\n", "Row 1 has no number of an entry"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "The file has 0 rows, but 3 were exported"),
    ],
)
def test_odd_csv_is_named(file: bytes, expected: str, run: Run, tmp_path: Path) -> None:
    export = Export(Log(3), range(3), "csv")
    export.file = file
    code, said = run(export.beside(tmp_path))
    assert code == 1
    assert expected in said


def test_many_wrong_rows_are_counted_and_not_all_named(run: Run, tmp_path: Path) -> None:
    export = Export(Log(64), range(64))
    export.file = export.file.replace(b"entry 1", b"entry 2")
    code, said = run(export.archive(tmp_path))
    assert code == 1
    assert said.count("it was changed") == verify_sessionadmin.MOST_NAMED
    assert "44 more rows are wrong in the same ways" in said


def test_a_file_without_a_manifest_or_with_an_unsigned_one_is_not_proved(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("ID\r\n1\r\n")
    code, said = run(path)
    assert code == 1
    assert "Nothing proves it" in said
    (tmp_path / "export.csv.manifest").write_text(f"{MANIFEST}\n{{}}\n")
    code, said = run(path)
    assert code == 1
    assert "The manifest is not signed" in said
    code, said = run(tmp_path / "export.csv.manifest")
    path.unlink()
    code, said = run(tmp_path / "export.csv.manifest")
    assert code == 1


def test_an_archive_that_is_damaged_or_packed_oddly_is_named(run: Run, tmp_path: Path) -> None:
    export = Export(Log(300), range(300))
    data = export.archive(tmp_path).read_bytes()
    for damaged in (data[: len(data) // 2], data[:200] + bytes([data[200] ^ 255]) + data[201:], b"PK\x03\x04"):
        (tmp_path / "damaged.zip").write_bytes(damaged)
        code, said = run(tmp_path / "damaged.zip")
        assert code == 1
        assert "cannot be read" in said
    code, said = run(export.archive(tmp_path, zipfile.ZIP_LZMA))
    assert code == 1
    assert "packed in another way" in said
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("a.manifest", export.manifest())
    (tmp_path / "damaged.zip").write_bytes(empty.getvalue())
    code, said = run(tmp_path / "damaged.zip")
    assert code == 1
    assert "not the file a that it is about" in said


# --- checkpoints


def test_two_checkpoints_of_one_size_are_two_logs(run: Run, tmp_path: Path) -> None:
    log, other = Log(12), Log(12)
    other.entries[5]["message"] = "changed"
    (tmp_path / "one").write_text(log.checkpoint())
    (tmp_path / "other").write_text(other.checkpoint())
    code, said = run(tmp_path / "one", tmp_path / "other")
    assert code == 1
    assert "There are two logs" in said


def test_a_file_with_several_checkpoints_is_read_whole(run: Run, tmp_path: Path) -> None:
    log = Log(12)
    notes = [log.checkpoint(size) for size in (3, 7, 12)]
    (tmp_path / "kept").write_text("\n".join(notes))
    code, said = run(tmp_path / "kept")
    assert code == 0, said
    assert "3 checkpoints are signed: the newest is" in said
    assert "Whether each checkpoint continues the one before it, 2 times" in said
    (tmp_path / "kept").write_text("\n".join([*notes[:2], log.checkpoint(12, Key(2))]))
    assert run(tmp_path / "kept")[0] == 1


def test_a_checkpoint_of_another_log_says_nothing_of_this_one(run: Run, tmp_path: Path) -> None:
    other = Key(2, "staging.example.com/log")
    (tmp_path / "keys").write_text(f"{KEY.line}\n{other.line}\n")
    (tmp_path / "kept").write_text(Log(12).checkpoint(key=other, origin="staging.example.com/log"))
    export = Export(Log(20), range(20)).archive(tmp_path)
    code, said = run("--checkpoint", tmp_path / "kept", export, key=str(tmp_path / "keys"))
    assert code == 0, said
    assert "they are of two logs" in said
    assert "1 thing could not be checked" in said


def test_a_log_that_was_rolled_back_does_not_continue_the_checkpoint(run: Run, tmp_path: Path) -> None:
    log, other = Log(12), Log(30)
    other.entries[5]["message"] = "changed"
    (tmp_path / "kept").write_text(log.checkpoint())
    (tmp_path / "proof").write_text(other.continuation(12))
    code, said = run("--checkpoint", tmp_path / "kept", tmp_path / "proof")
    assert code == 1
    assert "The newer one does not continue the older one" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Nothing proves it"),
        ("hello\n", "Nothing proves it"),
        (f"old x\n\n{Log(3).checkpoint()}", "its first lines cannot be read"),
        (f"old 1\n{'YQ==' * 3}\n\n{Log(3).checkpoint()}", "its first lines cannot be read"),
        (f"old 1\n{'A' * 43}=\n" * 70 + f"\n{Log(3).checkpoint()}", "its first lines cannot be read"),
        (KEY.sign("a\nb\n"), "It is no checkpoint"),
        (Log(3).checkpoint(key=Key(2)), "in the name of"),
        (Log(3).checkpoint().replace("\n3\n", "\n4\n"), f"The signature of {ORIGIN} is wrong"),
        (Log(3).checkpoint().replace("\n3\n", "\n\n\n3\n"), "The signature of"),
        ("x\n\n— \u202e\n", "cannot be read"),
    ],
)
def test_what_is_no_checkpoint_of_this_log_says_why(text: str, expected: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    code, said = run(tmp_path / "file")
    assert code == 1
    assert expected in said


# --- wrong usage


def test_wrong_usage_has_another_exit_code(run: Run, tmp_path: Path) -> None:
    export = Export(Log(3), range(3)).archive(tmp_path)
    code, said = run(tmp_path / "missing")
    assert code == 2
    assert "No such file" in said
    code, said = run(export, key=KEY.line[:-5])
    assert code == 2
    assert "no public key" in said
    (tmp_path / "empty").write_text("# nothing\n")
    code, said = run(export, key=str(tmp_path / "empty"))
    assert code == 2
    assert "no public key" in said
    with pytest.raises(SystemExit) as ended:
        main([str(export)])
    assert ended.value.code == 2


# --- erased rows


def _erased(export: Export, log: Log, index: int, now: dict[str, Any], key: Key = KEY) -> None:
    """Let a row be as it was left when its personal data was erased, with the statement of that beside its proof."""
    lines = export.file.splitlines(keepends=True)
    lines[index] = canonical_json({"entry": now, "leaf": index}) + b"\n"
    export.file = b"".join(lines)
    hashes = {"hash": log.leaves[index], "now": leaf_hash(canonical_json({**now, "message": "erased"}))}
    said = {"v": 1, "kind": "erased", "id": now["id"], "leaf": index} | {
        name: base64.b64encode(value).decode() for name, value in hashes.items()
    }
    proofs = [json.loads(line) for line in export.proofs.splitlines()]
    proofs[index]["statement"] = key.sign(f"{STATEMENT}\n{canonical_json(said).decode()}\n")
    export.proofs = b"".join(canonical_json(one) + b"\n" for one in proofs)
    export.facts |= {"size": len(export.file), "sha256": hashlib.sha256(export.file).hexdigest()}
    export.facts["proofs"]["sha256"] = hashlib.sha256(export.proofs).hexdigest()


def test_an_entry_that_was_erased_by_a_signed_statement_holds(run: Run, tmp_path: Path) -> None:
    log = Log(20)
    export = Export(log, range(20))
    _erased(export, log, 3, {"id": 104, "message": "erased", "v": 1})
    code, said = run(export.archive(tmp_path))
    assert code == 0, said
    assert "1 of them had personal data erased, as signed statements say." in said


@pytest.mark.parametrize(
    ("message", "key", "expected"),
    [
        ("something else", KEY, "it was changed: the statement that it was erased is about something else"),
        ("erased", Key(2), "the statement that it was erased does not hold"),
    ],
)
def test_an_entry_that_was_changed_is_none_that_was_erased(
    message: str, key: Key, expected: str, run: Run, tmp_path: Path
) -> None:
    log = Log(20)
    export = Export(log, range(20))
    _erased(export, log, 3, {"id": 104, "message": message, "v": 1}, key)
    code, said = run(export.archive(tmp_path))
    assert code == 1
    assert f"Row 4, entry 104: {expected}" in said
