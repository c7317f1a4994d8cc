#!/usr/bin/env python3
"""Verify what SessionAdmin's activity log has exported, without SessionAdmin.

This one file needs Python 3.11 or later and the package `cryptography`, nothing else. The console itself takes the
functions of its first part from here, so that what is sealed and what is verified can never differ.

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

import base64
import binascii
import dataclasses
import datetime as dt
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

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
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-MOST_EXACT <= value <= MOST_EXACT)
    if kind is dict:
        return all(type(key) is str and _is_plain(one) for key, one in value.items())
    return kind is list and all(map(_is_plain, value))


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
