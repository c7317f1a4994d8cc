#!/usr/bin/env python3
"""Verify what SessionAdmin's activity log has exported, without SessionAdmin.

    python verify_sessionadmin.py --key LOG.vkey [--checkpoint FILE]... FILE...

This one file needs Python 3.11 or later and the package `cryptography`, nothing else. It reads exports (CSV, JSON Lines
and workbooks with their manifest, or the archive with both), checkpoints, and proofs that one checkpoint continues
another. It says what holds, what does not and what it could not check. Its exit code is 0 when nothing wrong was found,
1 when something was, and 2 when it was called wrongly. The console itself takes the functions of the first part from
here, so that what is sealed and what is verified can never differ.

What an entry's leaf in the hash tree is: SHA-256 of a zero byte and the entry as canonical JSON (RFC 8785), an object
of the keys ENTRY_FIELDS and "v" (1). Times are UTC in ISO 8601, always with six digits of microseconds and "Z".

RFC 8785 leaves open what becomes of values that no double holds. Here:

- An integer that is not the shortest decimal form of a double, such as 9007199254740993, is written as a string of its
  digits. Databases do not keep whether 1e16 or 10000000000000000 was written, so the value alone decides.
- NaN and the infinities are written as the strings "NaN", "Infinity" and "-Infinity".
- Half of a surrogate pair is written as its escape, backslash, "u" and four digits (as JSON.stringify does).

Sources: RFC 8785 (JSON), RFC 9162 section 2.1 (tree), C2SP signed-note and tlog-checkpoint (signatures).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import csv
import dataclasses
import datetime as dt
import hashlib
import io
import ipaddress
import itertools
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Unproven(Exception):
    """Something is not what it says. The text tells a person what, in a whole sentence."""


# --- canonical JSON (RFC 8785)

MOST_EXACT = 2**53 - 1  # up to here a double holds every integer
# The order of keys by UTF-16, which RFC 8785 asks for, differs from Python's from here on; so do surrogates.
_HIGH = re.compile("[\ud800-\U0010ffff]")
_ESCAPED = re.compile('[\\x00-\\x1f"\\\\\ud800-\udfff]')
_SHORT_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_quickly = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON of a value that json.loads() returned. Raise ValueError for anything else."""
    if _is_plain(value):
        text = _quickly(value)
        if text.isascii() or not _HIGH.search(text):
            return text.encode()
    return "".join(_pieces(value)).encode()


def _is_plain(value: Any) -> bool:
    """Return whether Python's own encoder writes all numbers and keys of the value as RFC 8785 wants them."""
    kind = type(value)
    if kind is dict:
        for key, one in value.items():
            if type(key) is not str or (type(one) is not str and not _is_plain(one)):
                return False
        return True
    if kind is int:
        return bool(-MOST_EXACT <= value <= MOST_EXACT)
    if kind is list:
        return all(map(_is_plain, value))
    return kind is str or kind is bool or value is None


def _pieces(value: Any) -> Iterator[str]:
    if value is None or value is True or value is False:
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, str):
        yield _string(value)
    elif isinstance(value, int):
        yield _integer(int(value))
    elif isinstance(value, float):
        yield _float(value)
    elif isinstance(value, list | tuple):
        for position, one in enumerate(value):
            yield "," if position else "["
            yield from _pieces(one)
        yield "]" if value else "[]"
    elif isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("The keys of a JSON object are strings.")
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        for position, key in enumerate(keys):
            yield "," if position else "{"
            yield f"{_string(key)}:"
            yield from _pieces(value[key])
        yield "}" if value else "{}"
    else:
        raise ValueError(f"JSON has no {type(value).__name__}.")


def _string(text: str) -> str:
    return '"{}"'.format(_ESCAPED.sub(lambda found: _SHORT_ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text))


def _integer(value: int) -> str:
    if -MOST_EXACT <= value <= MOST_EXACT:
        return str(value)
    try:
        nearest = float(value)
    except OverflowError:
        return f'"{value}"'
    return _float(nearest) if Decimal(repr(nearest)) == value else f'"{value}"'


def _float(value: float) -> str:
    """Return the number as ECMAScript writes it. Source: ECMA-262, Number::toString."""
    if value != value or value in (float("inf"), float("-inf")):
        return '"NaN"' if value != value else '"Infinity"' if value > 0 else '"-Infinity"'
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    _, digits, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    if not isinstance(exponent, int):  # of NaN and the infinities alone, which are dealt with above
        raise ValueError(f"{value} is no number.")
    shown = "".join(map(str, digits))
    point = len(shown) + exponent  # so many digits stand before the decimal point
    if len(shown) <= point <= 21:
        return f"{sign}{shown}{'0' * (point - len(shown))}"
    if 0 < point <= 21:
        return f"{sign}{shown[:point]}.{shown[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{shown}"
    rest = f".{shown[1:]}" if len(shown) > 1 else ""
    return f"{sign}{shown[0]}{rest}e{point - 1:+d}"


# --- an entry and its leaf

VERSION = 1
ENTRY_FIELDS = (  # sorted, as canonical JSON has them
    "actor_id",
    "actor_name",
    "at",
    "details",
    "id",
    "ip",
    "level",
    "login_id",
    "message",
    "outcome",
    "target_id",
    "target_name",
    "target_type",
    "user_id",
    "user_name",
    "verb",
)


def entry_json(entry: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of an entry, which is what its leaf is the hash of.

    `at` is text as time_text() returns it, and `ip` as ip_text() does. Raise KeyError for a field that is missing.
    """
    return canonical_json({field: entry[field] for field in ENTRY_FIELDS} | {"v": VERSION})


def time_text(moment: dt.datetime) -> str:
    """Return a time as it is in a leaf: UTC, ISO 8601, six digits of microseconds, "Z"."""
    return f"{moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def ip_text(address: str | None) -> str | None:
    """Return an IP address as it is in a leaf.

    IPv6 is written after RFC 5952, an IPv4 address in it as ::ffff:192.0.2.1, in which databases and versions of Python
    differ. What is no address is returned as it is.
    """
    if address is None or ":" not in address:
        return address
    try:
        value = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    return f"::ffff:{value.ipv4_mapped}" if value.ipv4_mapped else str(value)


# --- the tree (RFC 9162, section 2.1)

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_SIZE = 32


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with these children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The hashes that the root of a growing tree is made of: one for each 1 bit of its size.

    It needs no more memory for a large tree than for a small one.
    """

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Begin with a tree of `size` leaves, whose complete subtrees have these hashes, the largest first."""
        if len(hashes) != size.bit_count():
            raise ValueError(f"A tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(hashes)}.")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        self.append_subtree(0, leaf)

    def append_subtree(self, level: int, subtree: bytes) -> None:
        """Add the next 2 ** level leaves by the hash of their subtree. Raise ValueError where none can begin."""
        if self.size & ((1 << level) - 1):
            raise ValueError(f"After {self.size} leaves no subtree of {1 << level} leaves can begin.")
        ones = self.size >> level
        while ones & 1:
            subtree = node_hash(self.hashes.pop(), subtree)
            ones >>= 1
        self.hashes.append(subtree)
        self.size += 1 << level

    def root(self) -> bytes:
        """Return the root of the tree as far as it has grown."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Return whether `path` proves that the leaf at `index` (from 0) is in the tree. RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, leaf
    for one in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(one, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, one)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Return whether `path` proves that the new tree begins with all of the old one. RFC 9162, section 2.1.4.2."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    if old_size == 0:  # nothing has to be shown
        return not path and old_root == EMPTY_ROOT
    hashes = list(path)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    number, last = old_size - 1, new_size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = hashes[0]
    for one in hashes[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, one)
        number, last = number >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


# --- signed notes and checkpoints (C2SP signed-note, tlog-checkpoint)

ED25519 = b"\x01"
MOST_OF_A_NOTE = 64 * 1024 * 1024  # characters; a statement names the leaves that were deleted
MOST_SIGNATURES = 100
DASH = "\u2014 "
_BETWEEN = re.compile(f"^({DASH}[^\n]*\n)\n(?=[^\n])", re.MULTILINE)  # after the signatures of a note
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_SIZE = re.compile("0|[1-9][0-9]{0,18}")


@dataclasses.dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key, and the name of who signs with it."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the four bytes that say in a signature which key made it."""
        return key_id(self.name, self.public)

    def verifies(self, text: str, signature: bytes) -> bool:
        """Return whether this key made the signature of the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """The text of a note that is signed, and by which of the keys asked for."""

    text: str
    keys: tuple[VerifierKey, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the log was at one moment: how many leaves, and the root that stands for all of them."""

    origin: str
    size: int
    root: bytes


def key_id(name: str, public: bytes) -> bytes:
    """Return the four bytes by which signatures name an Ed25519 key."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def vkey_line(name: str, public: bytes) -> str:
    """Return the public key as one line for people to keep: name, key id, key."""
    return f"{name}+{key_id(name, public).hex()}+{_base64(ED25519 + public)}"


def parse_vkey(line: str) -> VerifierKey:
    """Return the key of such a line. Raise Unproven when it is none."""
    parts = line.strip().split("+", 2)
    if len(parts) == 3 and _is_name(parts[0]):
        name, identity, encoded = parts
        key = _from_base64(encoded) or b""
        if key[:1] == ED25519 and len(key) == 33 and identity == key_id(name, key[1:]).hex():
            return VerifierKey(name, key[1:])
    raise Unproven(
        f"“{_shown(line)}” is no public key: it is not of the form name+hash+key, or it was not copied whole."
    )


def signature_line(name: str, public: bytes, signature: bytes) -> str:
    """Return the line of a note that holds a signature of its text, with the newline at its end."""
    return f"{DASH}{name} {_base64(key_id(name, public) + signature)}\n"


def open_note(note: str, keys: Iterable[VerifierKey]) -> Note:
    """Return the text of a note that at least one of the keys signed.

    Raise Unproven for a note of another form, for one without a signature of these keys, and for one with a wrong
    signature of one of them.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.id): key for key in keys}
    verified = []
    for name, signature in signatures:
        key = known.get((name, signature[:4]))
        if key is None or key in verified:
            continue
        if not key.verifies(text, signature[4:]):
            raise Unproven(f"The signature of {name} is wrong: the text was changed, or somebody else wrote it.")
        verified.append(key)
    if not verified:
        raise Unproven(_why_unknown(signatures, known))
    return Note(text, tuple(verified))


def _why_unknown(signatures: Sequence[tuple[str, bytes]], known: Mapping[tuple[str, bytes], VerifierKey]) -> str:
    names = {name for name, _ in known}
    for name, signature in signatures:
        if name in names:
            asked = ", ".join(sorted(identity.hex() for one, identity in known if one == name))
            return (
                f"It is signed in the name of {name}, but by another key ({signature[:4].hex()}) than the one that you "
                f"gave ({asked}). Somebody else signed it, or the log has a new key, which you do not have yet."
            )
    signers = ", ".join(sorted({name for name, _ in signatures}))
    return f"None of the keys that you gave signed it; it bears the name of {_shown(signers)}."


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text of a note, and name and bytes (key id, then signature) of each signature, all of it unverified.

    Raise Unproven for what is no signed note.
    """
    text, blank, lines = note.rpartition("\n\n")
    if len(note) > MOST_OF_A_NOTE or not blank or not lines.endswith("\n") or _CONTROL.search(note):
        raise Unproven("It is no signed note: a text, an empty line, and lines with signatures.")
    signatures = []
    for line in lines.removesuffix("\n").split("\n"):
        dash, name, encoded = (line[:2], *line[2:].partition(" ")[::2])
        signature = _from_base64(encoded)
        if dash != DASH or not _is_name(name) or signature is None or len(signature) < 5:
            raise Unproven("It is no signed note: a line of its signatures cannot be read.")
        signatures.append((name, signature))
    if len(signatures) > MOST_SIGNATURES:
        raise Unproven(f"It bears more than {MOST_SIGNATURES} signatures.")
    return f"{text}\n", signatures


def split_notes(text: str) -> list[str]:
    """Return the notes of a file that may hold several, one after the other with an empty line between two."""
    return _BETWEEN.sub("\\1\0", text).split("\0")


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Return the text of a checkpoint, which is what is signed."""
    return f"{origin}\n{size}\n{_base64(root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint of a note's text. Lines after the third are others' extensions. Raise Unproven."""
    lines = text.split("\n")
    if len(lines) >= 4 and lines[-1] == "" and lines[0] and _SIZE.fullmatch(lines[1]):
        root = _from_base64(lines[2])
        if root is not None and len(root) == HASH_SIZE and all(lines[3:-1]):
            return Checkpoint(lines[0], int(lines[1]), root)
    raise Unproven("It is no checkpoint: a name, a number of entries and a hash, each on a line.")


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str) -> bytes | None:
    """Return what was encoded; None unless it is written as _base64() writes it."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return data if _base64(data) == text else None


def _shown(text: str, most: int = 200) -> str:
    """Return text of strangers so that it can be printed: on one line, nothing invisible, not too long."""
    line = "".join(one if one.isprintable() else "\ufffd" for one in text[: most + 1])
    return line if len(line) <= most else f"{line[:most]}…"


# --- what people call

MANIFEST = "sessionadmin-export/v1"  # first line of a manifest
STATEMENT = "sessionadmin-statement/v1"  # first line of a statement of what was deleted or erased
MANIFEST_ENDING, PROOFS_ENDING = ".manifest", ".proofs.jsonl"
MOST_NAMED = 20  # rows of one file whose findings are told one by one
LONGEST_LINE = 16 * 1024 * 1024  # bytes
PIECE = 1024 * 1024
MOST_HASHES = 63  # in a proof: a tree of 2 ** 63 leaves has no longer one
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Report:
    """Prints what holds, what does not and what could not be checked, and counts the two last."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self.findings = self.unchecked = 0

    def about(self, name: str) -> None:
        """Say which file the lines after this one are about."""
        self._write(f"{_shown(name)}\n")

    def holds(self, text: str) -> None:
        """Say what was proved."""
        self._write(f"  holds        {text}\n")

    def finding(self, text: str) -> None:
        """Say what is wrong."""
        self.findings += 1
        self._write(f"  WRONG        {text}\n")

    def not_checked(self, text: str) -> None:
        """Say what could not be checked, and what would be needed."""
        self.unchecked += 1
        self._write(f"  not checked  {text}\n")

    def end(self) -> int:
        """Print the result, and return the exit code."""
        wrong = f"{self.findings:,} {'thing is' if self.findings == 1 else 'things are'} wrong"
        said = f"{wrong}." if self.findings else "Nothing wrong was found."
        if self.unchecked:
            said += f" {self.unchecked:,} {'thing' if self.unchecked == 1 else 'things'} could not be checked."
        self._write(f"{said}\n")
        return 1 if self.findings else 0


class Misused(Exception):
    """The program was called wrongly. The text says how."""


@dataclasses.dataclass(frozen=True, slots=True)
class Continuation:
    """A proof that a checkpoint continues the log of an older one (the form is that of C2SP tlog-witness)."""

    old_size: int
    path: tuple[bytes, ...]
    newer: Checkpoint


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What a manifest says of a file."""

    file: str
    format: str
    rows: int
    complete: bool
    first_id: int | None
    last_id: int | None
    size: int  # bytes
    sha256: str
    checkpoint: str | None
    proofs: Mapping[str, Any] | None
    made: str
    is_of_log: bool


class Verification:
    """One run: the keys that are trusted, and what the files that were read so far say."""

    def __init__(self, keys: Sequence[VerifierKey], report: Report) -> None:
        self._keys, self._report = keys, report
        self._checkpoints: set[Checkpoint] = set()
        self._continuations: list[Continuation] = []
        self._unproven: list[tuple[Checkpoint, Checkpoint]] = []  # without a proof that the second continues the first
        self._is_compared = False  # whether a checkpoint came from elsewhere than from an export

    def file(self, path: Path) -> None:
        """Verify one file, whatever it is. Raise OSError when it cannot be read."""
        self._report.about(path.name)
        with path.open("rb") as file:
            begin = file.read(4)
        try:
            if begin == b"PK\x03\x04" and not path.name.endswith(".xlsx"):
                self._archive(path)
            elif path.name.endswith(MANIFEST_ENDING):
                self._beside(path.with_name(path.name.removesuffix(MANIFEST_ENDING)), path)
            elif (manifest := path.with_name(path.name + MANIFEST_ENDING)).exists():
                self._beside(path, manifest)
            else:
                self._text(_small_text(path))
        except Unproven as problem:
            self._report.finding(str(problem))

    def checkpoint(self, path: Path) -> None:
        """Take a checkpoint that was kept elsewhere. Raise OSError when it cannot be read."""
        self._report.about(path.name)
        try:
            self._text(_small_text(path))
        except Unproven as problem:
            self._report.finding(str(problem))

    # exports

    def _archive(self, path: Path) -> None:
        with _readable("The archive"), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in archive.infolist()):
                raise Unproven("It is an archive, but no export of SessionAdmin: it is packed in another way.")
            manifests = [name for name in names if name.endswith(MANIFEST_ENDING)]
            if len(manifests) != 1 or len(set(names)) != len(names):
                raise Unproven("It is an archive, but no export of SessionAdmin: it does not have one manifest.")
            with archive.open(manifests[0]) as member:
                facts = self._manifest(_limited_text(member))
            name = manifests[0].removesuffix(MANIFEST_ENDING)
            if name not in names:
                raise Unproven(f"The archive has a manifest, but not the file {_shown(name)} that it is about.")
            for one in sorted(set(names) - {name, name + PROOFS_ENDING, manifests[0]}):
                self._report.finding(f"The archive also has {_shown(one)}, which its manifest does not know.")
            with contextlib.ExitStack() as opened:
                proofs = None
                if name + PROOFS_ENDING in names:
                    proofs = opened.enter_context(archive.open(name + PROOFS_ENDING))
                self._export(facts, opened.enter_context(archive.open(name)), proofs)

    def _beside(self, path: Path, manifest: Path) -> None:
        facts = self._manifest(_small_text(manifest))
        if not path.exists():
            raise Unproven(f"The file that the manifest is about is not beside it: {_shown(path.name)}.")
        beside = path.with_name(path.name + PROOFS_ENDING)
        with contextlib.ExitStack() as opened:
            proofs = opened.enter_context(beside.open("rb")) if facts.proofs and beside.exists() else None
            self._export(facts, opened.enter_context(path.open("rb")), proofs)

    def _manifest(self, note: str) -> Facts:
        """Return what a manifest says, after its signature and its checkpoint were verified."""
        if note.startswith(f"{MANIFEST}\n") and f"\n\n{DASH}" not in note:
            raise Unproven("The manifest is not signed, so that anybody can have written it. Nothing else was checked.")
        opened = open_note(note, self._keys)
        facts = _facts(opened.text)
        self._report.holds(f"The manifest is signed by {_signers(opened)}. {facts.made}")
        if not facts.complete:
            self._report.finding("The manifest says that the download was broken off: rows are missing at its end.")
        if facts.checkpoint is None:
            self._report.not_checked("The manifest names no checkpoint, so nothing says which log the rows came from.")
        else:
            try:
                self._take_checkpoint(facts.checkpoint)
            except Unproven as problem:
                self._report.finding(f"The checkpoint in the manifest does not hold. {problem}")
        return facts

    def _export(self, facts: Facts, file: IO[bytes], proofs: IO[bytes] | None) -> None:
        reading = _Measured(file, facts.size)
        prover = self._prover(facts, proofs)
        try:
            rows = _Rows(self._report, facts, prover)
            with _readable("The file"):
                rows.read(reading)
                reading.drain()
        except Unproven as problem:
            self._report.finding(str(problem))
            return
        if reading.digest.hexdigest() != facts.sha256:
            size = "" if reading.size == facts.size else f" It has {reading.size:,} bytes instead of {facts.size:,}."
            self._report.finding(f"The file is not the one that was exported: its SHA-256 differs.{size}")
        else:
            self._report.holds(f"The file is as it was exported, {facts.size:,} bytes (SHA-256 {facts.sha256}).")
        rows.end()

    def _prover(self, facts: Facts, proofs: IO[bytes] | None) -> _Prover | None:
        """Return what reads the proofs of the rows; None where there are none, after saying so."""
        if facts.proofs is None:
            if facts.is_of_log:
                self._report.not_checked(
                    "Whether each row is in the sealed log: the export has no proofs. Download it as an archive."
                )
            return None
        if proofs is None:
            self._report.finding("The proofs of the rows, which the manifest names, are not there.")
            return None
        if facts.checkpoint is None:
            return None
        try:
            checkpoint = parse_checkpoint(open_note(facts.checkpoint, self._keys).text)
        except Unproven:
            return None  # it was said
        return _Prover(proofs, checkpoint, str(facts.proofs.get("sha256")), self._keys)

    # checkpoints

    def _text(self, text: str) -> None:
        if text.startswith("old "):
            self._continuation(text)
        elif text.startswith(f"{MANIFEST}\n"):
            self._manifest(text)
            self._report.not_checked("The file that the manifest is about: give both, side by side.")
        elif f"\n\n{DASH}" in text:
            found = [self._take_checkpoint(note) for note in split_notes(text)]
            self._is_compared = True
            what = "The checkpoint is" if len(found) == 1 else f"{len(found):,} checkpoints are"
            newest = max(found, key=lambda one: one.size)
            self._report.holds(f"{what} signed: {'the newest is ' if len(found) > 1 else ''}{_described(newest)}.")
        else:
            raise Unproven(
                f"Nothing proves it: there is no file of its name with {MANIFEST_ENDING} beside it, and it is neither "
                "an archive nor a checkpoint."
            )

    def _take_checkpoint(self, note: str) -> Checkpoint:
        opened = open_note(note, self._keys)
        checkpoint = parse_checkpoint(opened.text)
        if all(key.name != checkpoint.origin for key in opened.keys):
            raise Unproven(f"It is about the log {_shown(checkpoint.origin)}, but {_signers(opened)} signed it.")
        self._checkpoints.add(checkpoint)
        return checkpoint

    def _continuation(self, text: str) -> None:
        head, _, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        hashes = [_from_base64(line) or b"" for line in lines]
        old = first.removeprefix("old ")
        if not _SIZE.fullmatch(old) or len(hashes) > MOST_HASHES or any(len(one) != HASH_SIZE for one in hashes):
            raise Unproven("It is no proof that one checkpoint continues another: its first lines cannot be read.")
        newer = self._take_checkpoint(note)
        self._is_compared = True
        self._continuations.append(Continuation(int(old), tuple(hashes), newer))
        self._report.holds(f"The checkpoint in it is signed: {_described(newer)}.")

    def compare(self) -> None:
        """Say of all checkpoints whether they are of one log that only grew."""
        found = sorted(self._checkpoints, key=lambda one: (one.origin, one.size))
        if not found:
            return
        self._report.about("Checkpoints")
        for older, newer in itertools.pairwise(found):
            if older.origin == newer.origin:
                self._compare(older, newer)
            else:
                self._report.not_checked(
                    f"Whether {_described(older)} fits {_described(newer)}: they are of two logs, or of one that was "
                    "given another name."
                )
        self._say_unproven()
        if not self._is_compared:
            self._report.not_checked(
                "Whether the log was later changed or shown differently to others: for that give a checkpoint that was "
                "kept elsewhere (--checkpoint)."
            )

    def _compare(self, older: Checkpoint, newer: Checkpoint) -> None:
        names = f"{_described(older)}, and {_described(newer)}"
        if older.size == newer.size:
            self._report.finding(f"There are two logs: {names} have as many entries, but another root. One was forged.")
            return
        proofs = [one for one in self._continuations if one.old_size == older.size and one.newer == newer]
        if not proofs:
            self._unproven.append((older, newer))
        elif any(is_consistent(older.size, older.root, newer.size, newer.root, one.path) for one in proofs):
            self._report.holds(f"The log only grew between {names}.")
        else:
            self._report.finding(
                f"The newer one does not continue the older one: {names}. The log was changed between."
            )

    def _say_unproven(self) -> None:
        if len(self._unproven) == 1:
            [(older, newer)] = self._unproven
            self._report.not_checked(
                f"Whether the newer one continues the older one ({_described(older)}, and {_described(newer)}): for "
                f"that give what `sessionadmin log_checkpoint --since {older.size}` prints."
            )
        elif self._unproven:
            self._report.not_checked(
                f"Whether each checkpoint continues the one before it, {len(self._unproven):,} times: for that give "
                "what `sessionadmin log_checkpoint --since SIZE` prints, or let `sessionadmin verify_log --checkpoint "
                "FILE` compare all of them with the database."
            )


class _Measured(io.RawIOBase):
    """A file whose SHA-256 and size are known when it is read to its end. It stops after more than `most` bytes."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        super().__init__()
        self._file, self._most = file, most
        self.digest, self.size = hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        self.size += len(piece)
        if self.size > self._most:
            raise Unproven(
                f"The file is longer than what was exported ({self._most:,} bytes). It was not read further."
            )
        self.digest.update(piece)
        buffer[: len(piece)] = piece
        return len(piece)

    def drain(self) -> None:
        """Read what is left."""
        while self.read(PIECE):
            pass


class _Prover:
    """Reads the proofs of rows, in the order of the rows, and says what is wrong with each."""

    def __init__(self, proofs: IO[bytes], checkpoint: Checkpoint, sha256: str, keys: Sequence[VerifierKey]) -> None:
        self._checkpoint, self._sha256, self._keys = checkpoint, sha256, keys
        self._lines = _lines(proofs)
        self._digest = hashlib.sha256()
        self._path: list[bytes] = []
        self.sealed = self.unsealed = self.erased = 0
        self.first: int | None = None
        self.last: int | None = None
        self._step = 0  # 1 or -1 while each row is the leaf beside the one before it
        self.is_unbroken = True

    def prove(self, number: int, leaf: bytes | None) -> str:
        """Return what is wrong with the row of entry `number`, whose leaf hash is `leaf` where the file tells it."""
        line = next(self._lines, None)
        if line is None:
            raise Unproven("The proofs end before the rows do.")
        self._digest.update(line)
        proof = _object(line)
        if proof.get("id") != number:
            raise Unproven(
                f"The proofs are not of these rows: at entry {number} there is one of {proof.get('id')!r:.40}."
            )
        index = proof.get("leaf")
        if index is None:
            self.unsealed += 1
            return ""
        claimed = _from_base64(str(proof.get("hash", ""))) or b""
        path = self._whole_path(proof)
        if not _is_count(index) or path is None or len(claimed) != HASH_SIZE:
            return "its proof cannot be read"
        self._path = path
        self._follow(index)
        if leaf is not None and leaf != claimed:
            problem = self._why_changed(proof, claimed, leaf)
            if problem:
                return problem
        if not is_included(claimed, index, self._checkpoint.size, path, self._checkpoint.root):
            return "it is not in the log of the checkpoint: its proof does not lead to the root"
        self.sealed += 1
        return ""

    def _why_changed(self, proof: Mapping[str, Any], claimed: bytes, leaf: bytes) -> str:
        """Return what is wrong with a row whose hash is not that of its leaf; nothing when a statement allows it."""
        if "statement" not in proof:
            return "it was changed: its hash is not the one that is in the log"
        try:
            kind, _, rest = open_note(str(proof["statement"]), self._keys).text.partition("\n")
            said = _object(rest)
        except Unproven as problem:
            return f"the statement that it was erased does not hold. {problem}"
        stated = (kind, said.get("kind"), said.get("id"), said.get("leaf"), said.get("hash"), said.get("now"))
        if stated != (STATEMENT, "erased", proof["id"], proof["leaf"], _base64(claimed), _base64(leaf)):
            return "it was changed: the statement that it was erased is about something else"
        self.erased += 1
        return ""

    def _whole_path(self, proof: Mapping[str, Any]) -> list[bytes] | None:
        """Return the path of a proof, which leaves out as many hashes at its end as are those of the one before it."""
        given, same = proof.get("path"), proof.get("same", 0)
        if not isinstance(given, list) or not _is_count(same) or not same <= len(self._path):
            return None
        own = [_from_base64(str(one)) or b"" for one in given[: MOST_HASHES + 1]]
        path = [*own, *self._path[len(self._path) - same :]]
        return path if len(path) <= MOST_HASHES and all(len(one) == HASH_SIZE for one in path) else None

    def _follow(self, index: int) -> None:
        if self.last is None:
            self.first = index
        elif self._step == 0 and index - self.last in (1, -1):
            self._step = index - self.last
        elif index - self.last != self._step:
            self.is_unbroken = False
        self.last = index

    def end(self) -> None:
        """Raise Unproven unless the proofs are read to their end and are the ones that were exported."""
        if next(self._lines, None) is not None:
            raise Unproven("There are more proofs than rows: rows were taken out of the file.")
        if self._digest.hexdigest() != self._sha256:
            raise Unproven("The proofs are not the ones that were exported: their SHA-256 differs.")


class _Rows:
    """The rows of an export: how many there are, and whether each is in the log."""

    def __init__(self, report: Report, facts: Facts, prover: _Prover | None) -> None:
        self._report, self._facts, self._prover = report, facts, prover
        self._count = self._wrong = 0
        self._first: Any = None
        self._last: Any = None
        self._has_ids = False

    def read(self, file: _Measured) -> None:
        """Read all rows. Raise Unproven where that is impossible."""
        # The objects around the file are kept: when they are dropped, they close it.
        self._bytes = io.BufferedReader(file, PIECE)
        if self._facts.format == "jsonl":
            self._read_json(self._bytes)
        elif self._facts.format == "csv":
            self._text = io.TextIOWrapper(self._bytes, "utf-8-sig", newline="")
            self._read_csv(self._text)

    def _read_json(self, file: IO[bytes]) -> None:
        for line in _lines(file):
            self._count += 1
            row = _object(line)
            entry = row.get("entry")
            if self._prover is None and row.keys() != {"entry", "leaf"}:
                continue  # a row of another list than the log
            if not isinstance(entry, dict) or not _is_count(entry.get("id")):
                raise Unproven(f"Row {self._count:,} is no entry of the log.")
            self._note(entry["id"], leaf_hash(canonical_json(entry)))

    def _read_csv(self, file: IO[str]) -> None:
        csv.field_size_limit(LONGEST_LINE)
        rows = csv.reader(file, strict=True)
        try:
            headings = next(rows, [])
            place = headings.index("ID") if self._facts.is_of_log and "ID" in headings else None
            for row in rows:
                self._count += 1
                if place is None:
                    continue
                if place >= len(row) or not _SIZE.fullmatch(row[place]):
                    raise Unproven(f"Row {self._count:,} has no number of an entry.")
                self._note(int(row[place]), None)
        except csv.Error as problem:
            raise Unproven(f"Row {self._count + 1:,} cannot be read as CSV: {problem}.") from problem
        except UnicodeDecodeError as problem:
            raise Unproven(f"The file is not UTF-8 after row {self._count:,}.") from problem

    def _note(self, number: int, leaf: bytes | None) -> None:
        self._has_ids = True
        self._first = number if self._first is None else self._first
        self._last = number
        if self._prover is None:
            return
        try:
            problem = self._prover.prove(number, leaf)
        except Unproven as reason:
            self._report.finding(f"Row {self._count:,}: {reason}")
            self._prover = None
            return
        if problem:
            self._wrong += 1
            if self._wrong <= MOST_NAMED:
                self._report.finding(f"Row {self._count:,}, entry {number}: {problem}.")

    def end(self) -> None:
        """Say what was found of the rows together."""
        facts, report = self._facts, self._report
        if facts.format not in ("csv", "jsonl"):
            report.not_checked("The rows of a workbook one by one; the hash of the whole file stands for them.")
            return
        if self._wrong > MOST_NAMED:
            report.finding(f"{self._wrong - MOST_NAMED:,} more rows are wrong in the same ways.")
        if self._count != facts.rows:
            report.finding(f"The file has {self._count:,} rows, but {facts.rows:,} were exported.")
        if self._has_ids and (self._first, self._last) != (facts.first_id, facts.last_id):
            report.finding(
                f"The first and last entries are {self._first} and {self._last}, but {facts.first_id} and "
                f"{facts.last_id} were exported."
            )
        if self._prover is not None:
            self._end_proofs(self._prover)

    def _end_proofs(self, prover: _Prover) -> None:
        facts, report = self._facts, self._report
        try:
            prover.end()
        except Unproven as problem:
            report.finding(str(problem))
            return
        if prover.sealed:
            what = "entry in it, with every detail," if facts.format == "jsonl" else "number of an entry in it"
            report.holds(f"Each {what} is in the sealed log of the checkpoint: {prover.sealed - self._wrong:,} rows.")
        if prover.erased:
            report.holds(f"{prover.erased:,} of them had personal data erased, as signed statements say.")
        if prover.unsealed:
            report.not_checked(
                f"{prover.unsealed:,} rows that were not sealed yet when the export was made. Export them again later."
            )
        if prover.sealed and prover.is_unbroken and not self._wrong and not prover.unsealed:
            low, high = sorted((prover.first or 0, prover.last or 0))
            report.holds(
                f"The rows are one beside the other in the log (leaves {low:,} to {high:,}): none was left out."
            )
        elif prover.sealed:
            report.not_checked("Whether the filter left out rows: the rows are not beside each other in the log.")


# reading what strangers wrote


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    """Turn what a damaged or hostile archive raises into Unproven."""
    try:
        yield
    except UNREADABLE as problem:
        raise Unproven(f"{what} cannot be read: {_shown(str(problem)) or type(problem).__name__}.") from problem


def _small_text(path: Path) -> str:
    with path.open("rb") as file:
        return _limited_text(file)


def _limited_text(file: IO[bytes]) -> str:
    data = file.read(MOST_OF_A_NOTE + 1)
    if len(data) > MOST_OF_A_NOTE:
        raise Unproven("It is too large for a manifest or a checkpoint, and there is no manifest beside it.")
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        raise Unproven("It is neither a checkpoint nor a manifest: it is no text in UTF-8.") from problem


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file. Raise Unproven for one that is too long."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise Unproven(f"A line is longer than {LONGEST_LINE:,} bytes.")
        yield line


def _object(line: bytes | str) -> dict[str, Any]:
    """Return a JSON object of strangers. Raise Unproven for what is none, or has a key twice."""
    try:
        value = json.loads(line, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise Unproven(f"It is no JSON that can be trusted: {_shown(str(problem))}.") from problem
    if not isinstance(value, dict):
        raise Unproven("It is no JSON object.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is there twice")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _facts(text: str) -> Facts:
    """Return what the text of a manifest says. Raise Unproven where it has another form."""
    kind, _, rest = text.partition("\n")
    if kind != MANIFEST:
        raise Unproven(f"It is signed, but no manifest of a known form; it begins with “{_shown(kind, 60)}”.")
    said = _object(rest)
    text_of = {key: said.get(key) for key in ("file", "format", "sha256", "made_at", "made_by", "list")}
    ids = [said.get("first_id"), said.get("last_id")]
    is_good = (
        all(isinstance(value, str) for value in text_of.values())
        and re.fullmatch("[0-9a-f]{64}", str(said.get("sha256"))) is not None
        and all(_is_count(said.get(key)) for key in ("rows", "size"))
        and isinstance(said.get("complete"), bool)
        and all(one is None or type(one) is int for one in ids)
        and isinstance(said.get("checkpoint"), str | None)
        and isinstance(said.get("proofs"), dict | None)
    )
    if not is_good:
        raise Unproven("The manifest is signed, but its facts are not of the form that this program knows.")
    filters = _shown(json.dumps(said.get("filters", {}), ensure_ascii=False))
    made = (
        f"{_shown(said['made_by'])} exported {said['rows']:,} rows as {_shown(said['file'])} at "
        f"{_shown(said['made_at'])}, with these filters: {filters}."
    )
    proofs = said["proofs"]
    fields = ("file", "format", "rows", "complete", "first_id", "last_id", "size", "sha256", "checkpoint", "proofs")
    is_of_log = proofs is not None or said["list"].startswith("activity")
    return Facts(**{key: said[key] for key in fields}, made=made, is_of_log=is_of_log)


def _signers(note: Note) -> str:
    return " and ".join(f"{key.name} (key {key.id.hex()})" for key in note.keys)


def _described(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.origin} with {checkpoint.size:,} entries and root {checkpoint.root.hex()[:16]}…"


def _trusted(values: Iterable[str]) -> list[VerifierKey]:
    """Return the keys that were given, each as a line or as a file of lines. Raise Misused."""
    keys = []
    for value in values:
        try:
            path = Path(value)
            text = _small_text(path) if len(value) < 500 and path.is_file() else value
            lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
            keys += [parse_vkey(line) for line in lines]
        except (OSError, ValueError, Unproven) as problem:
            raise Misused(f"--key {_shown(value)}: {problem}") from problem
    if not keys:
        raise Misused("--key: no public key is given.")
    return keys


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the files that are named, print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="verify_sessionadmin.py",
        description="Say of exports and checkpoints of SessionAdmin's activity log what holds, what does not, and what "
        "could not be checked. The exit code is 1 when something is wrong.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="export, archive, manifest or checkpoint")
    parser.add_argument(
        "--key", action="append", required=True, help="public key of the log (name+hash+key), or a file of such lines"
    )
    parser.add_argument(
        "--checkpoint", action="append", default=[], metavar="FILE", type=Path, help="a checkpoint kept elsewhere"
    )
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # names in any alphabet, on any terminal
    report = Report(sys.stdout.write)
    try:
        verification = Verification(_trusted(options.key), report)
        for path in options.checkpoint:
            verification.checkpoint(path)
        for path in options.files:
            verification.file(path)
    except (OSError, Misused) as problem:
        sys.stderr.write(f"verify_sessionadmin.py: {problem}\n")
        return 2
    verification.compare()
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
