"""Canonical JSON, hash tree and signed notes of the single file that verifies, by the examples of their standards."""

from __future__ import annotations

import base64
import datetime as dt
import json
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activity import verify_sessionadmin
from activity.verify_sessionadmin import (
    EMPTY_ROOT,
    MOST_EXACT,
    Checkpoint,
    Frontier,
    Unproven,
    VerifierKey,
    canonical_json,
    checkpoint_text,
    ip_text,
    is_consistent,
    is_included,
    leaf_hash,
    open_note,
    parse_checkpoint,
    parse_vkey,
    signature_line,
    time_text,
    vkey_line,
)
from tests.support.rfc9162 import consistency_path, inclusion_path, tree_root

# RFC 8785, section 3.2.2 and 3.2.3, and its appendix B.
EXAMPLE = (
    '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
    r'"string": "\u20ac$\u000F\u000aA' + r"'" + r'\u0042\u0022\u005c\\\"\/",'
    '"literals": [null, true, false]}'
)
CANONICAL = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    r'"string":"€$\u000f\nA' + r"'" + r'B\"\\\\\"/"}'
)
SORTED = {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7}
IN_ORDER = ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]
NUMBERS = {
    0x0000000000000000: "0",
    0x8000000000000000: "0",
    0x0000000000000001: "5e-324",
    0x7FEFFFFFFFFFFFFF: "1.7976931348623157e+308",
    0x4340000000000000: "9007199254740992",
    0x4430000000000000: "295147905179352830000",
    0x44B52D02C7E14AF5: "9.999999999999997e+22",
    0x44B52D02C7E14AF6: "1e+23",
    0x444B1AE4D6E2EF4E: "999999999999999700000",
    0x444B1AE4D6E2EF50: "1e+21",
    0x3EB0C6F7A0B5ED8C: "9.999999999999997e-7",
    0x3EB0C6F7A0B5ED8D: "0.000001",
    0x41B3DE4355555553: "333333333.3333332",
    0xBECBF647612F3696: "-0.0000033333333333333333",
    0x43143FF3C1CB0959: "1424953923781206.2",
}
# The leaves and roots of the tests of Certificate Transparency, which RFC 6962 and RFC 9162 share.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
OLD_6_NEW_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
# The example of golang.org/x/mod/sumdb/note, which C2SP signed-note describes.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAYING = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = (
    f"{SAYING}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


# --- canonical JSON


def test_canonical_json_writes_the_examples_of_its_rfc() -> None:
    assert canonical_json(json.loads(EXAMPLE)).decode() == CANONICAL
    assert list(json.loads(canonical_json(SORTED))) == IN_ORDER
    for bits, shown in NUMBERS.items():
        (value,) = struct.unpack(">d", struct.pack(">Q", bits))
        assert canonical_json(value).decode() == shown


def _random_json(numbers: random.Random, depth: int = 0) -> Any:
    kind = numbers.randrange(7 if depth < 4 else 5)
    if kind == 0:
        return numbers.choice([None, True, False, 0, -1, MOST_EXACT, -MOST_EXACT])
    if kind == 1:
        value = struct.unpack(">d", numbers.randbytes(8))[0]
        return value if abs(value) < float("inf") else 0.5
    if kind == 2:
        return numbers.uniform(-1e7, 1e7) if numbers.random() < 0.5 else numbers.randrange(-MOST_EXACT, MOST_EXACT)
    if kind < 5:
        return _random_text(numbers)
    if kind == 5:
        return [_random_json(numbers, depth + 1) for _ in range(numbers.randrange(4))]
    return {_random_text(numbers): _random_json(numbers, depth + 1) for _ in range(numbers.randrange(5))}


def _random_text(numbers: random.Random) -> str:
    ranges = [(0, 0x80), (0x80, 0x800), (0xE000, 0x10000), (0x10000, 0x110000)]
    return "".join(chr(numbers.randrange(*numbers.choice(ranges))) for _ in range(numbers.randrange(6)))


def test_canonical_json_agrees_with_another_implementation() -> None:
    numbers = random.Random(8785)  # noqa: S311 - the same values on every run, not a secret
    for _ in range(3000):
        value = _random_json(numbers)
        assert canonical_json(value) == rfc8785.dumps(value)
        assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (MOST_EXACT + 1, "9007199254740992"),
        (MOST_EXACT + 2, '"9007199254740993"'),
        (10**16, "10000000000000000"),
        (1e16, "10000000000000000"),
        (2**60, '"1152921504606846976"'),
        (10**23, "1e+23"),
        (-(10**400), f'"-1{"0" * 400}"'),
        (float("nan"), '"NaN"'),
        (float("-inf"), '"-Infinity"'),
        ("\ud800", r'"\ud800"'),
        ({"\udc00": 1, "\U0010ffff": 2}, '{"\U0010ffff":2,"\\udc00":1}'),
        (True, "true"),
    ],
)
def test_values_that_no_double_holds_have_a_form_of_their_own(value: Any, shown: str) -> None:
    assert canonical_json(value).decode() == shown


@pytest.mark.parametrize("value", [{1: 2}, object(), b"bytes", {"a": {1}}])
def test_what_is_no_json_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


def test_times_and_addresses_have_one_form_each() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    assert time_text(dt.datetime(2026, 1, 31, 14, 0, tzinfo=zone)) == "2026-01-31T12:00:00.000000Z"
    assert time_text(dt.datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=dt.UTC)) == "2026-01-31T12:00:00.000005Z"
    assert ip_text("192.0.2.1") == "192.0.2.1"
    assert ip_text("2001:DB8:0:0::1") == "2001:db8::1"
    assert ip_text("::ffff:c000:201") == ip_text("::ffff:192.0.2.1") == "::ffff:192.0.2.1"
    assert ip_text("::192.0.2.1") == "::c000:201"
    assert ip_text("no:address") == "no:address"
    assert ip_text(None) is None


# --- the tree


def test_roots_are_those_of_certificate_transparency() -> None:
    tree = Frontier()
    assert tree.root().hex() == ROOTS[0]
    for leaf, root in zip(LEAVES, ROOTS[1:], strict=True):
        tree.append(leaf_hash(bytes.fromhex(leaf)))
        assert tree.root().hex() == root


def test_a_consistency_proof_of_certificate_transparency_holds() -> None:
    proof = [bytes.fromhex(one) for one in OLD_6_NEW_8]
    old, new = bytes.fromhex(ROOTS[6]), bytes.fromhex(ROOTS[8])
    assert is_consistent(6, old, 8, new, proof)
    assert not is_consistent(6, bytes.fromhex(ROOTS[5]), 8, new, proof)
    assert not is_consistent(7, old, 8, new, proof)


def test_every_proof_of_small_trees_holds_and_no_changed_one_does() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(20)]
    for size in range(1, len(leaves) + 1):
        some, root = leaves[:size], tree_root(leaves[:size])
        for index in range(size):
            path = inclusion_path(some, index)
            assert is_included(some[index], index, size, path, root)
            assert not is_included(leaf_hash(b"other"), index, size, path, root)
            assert not is_included(some[index], index, size, [*path, root], root)
            assert not is_included(some[index], index + size, size, path, root)
            assert all(not is_included(some[index], other, size, path, root) for other in range(size) if other != index)
            assert not path or not is_included(some[index], index, size, path[:-1], root)
        for old in range(1, size + 1):
            proof = consistency_path(some, old)
            assert is_consistent(old, tree_root(leaves[:old]), size, root, proof)
            assert not is_consistent(old, leaf_hash(b"other"), size, root, proof)
            assert not is_consistent(old, tree_root(leaves[:old]), size, root, [*proof, root])
        assert is_consistent(0, EMPTY_ROOT, size, root, [])
        assert not is_consistent(size + 1, root, size, root, [])


def test_a_tree_grows_by_whole_subtrees() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(13)]
    tree = Frontier()
    tree.append_subtree(3, tree_root(leaves[:8]))
    tree.append_subtree(2, tree_root(leaves[8:12]))
    with pytest.raises(ValueError, match="no subtree"):
        tree.append_subtree(3, leaves[0])
    again = Frontier(tree.size, tree.hashes)
    again.append(leaves[12])
    assert again.root() == tree_root(leaves)
    with pytest.raises(ValueError, match="subtrees"):
        Frontier(3, [leaves[0]])


# --- signed notes


def test_the_example_of_a_signed_note_holds() -> None:
    key = parse_vkey(PETER)
    assert open_note(SIGNED, [key]).text == SAYING
    assert vkey_line(key.name, key.public) == PETER
    secret = Ed25519PrivateKey.from_private_bytes(base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:])
    line = signature_line(key.name, key.public, secret.sign(SAYING.encode()))
    assert f"{SAYING}\n{line}" == SIGNED


def _key(name: str, seed: int) -> tuple[VerifierKey, Ed25519PrivateKey]:
    secret = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return VerifierKey(name, secret.public_key().public_bytes_raw()), secret


def _signed(text: str, *keys: tuple[VerifierKey, Ed25519PrivateKey]) -> str:
    lines = (signature_line(key.name, key.public, secret.sign(text.encode())) for key, secret in keys)
    return f"{text}\n{''.join(lines)}"


def test_a_note_of_two_keys_is_opened_by_either() -> None:
    old, new = _key("log.example", 1), _key("log.example", 2)
    note = _signed("text\n", old, new)
    assert open_note(note, [new[0]]).keys == (new[0],)
    assert open_note(note, [old[0], new[0]]).keys == (old[0], new[0])


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (SIGNED.replace("answer", "anzwer"), "The signature of PeterNeumann is wrong"),
        (_signed(SAYING, _key("PeterNeumann", 3)), "in the name of PeterNeumann, but by another key"),
        (_signed(SAYING, _key("mallory.example", 3)), "None of the keys that you gave signed it"),
        (SAYING, "no signed note"),
        (SIGNED.replace("— ", "- "), "a line of its signatures cannot be read"),
        (SIGNED.replace("x08go", "x08g"), "a line of its signatures cannot be read"),
        (SIGNED[:-1], "no signed note"),
        (SIGNED.replace("think", "th\tink"), "no signed note"),
        (SAYING + "\n" + "— a eHh4eHg=\n" * 101, "more than 100 signatures"),
        ("", "no signed note"),
    ],
)
def test_a_note_that_is_not_signed_by_the_key_says_why(note: str, said: str) -> None:
    with pytest.raises(Unproven, match=said):
        open_note(note, [parse_vkey(PETER)])


@pytest.mark.parametrize("line", ["", "PeterNeumann", PETER[:-4], PETER.replace("c74f20a3", "c74f20a4"), f"x{PETER}"])
def test_a_key_that_was_not_copied_whole_is_refused(line: str) -> None:
    with pytest.raises(Unproven, match="no public key"):
        parse_vkey(line)


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    found = parse_checkpoint(text)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint_text(found.origin, found.size, found.root) == text
    assert parse_checkpoint(f"{text}an extension\n") == Checkpoint(found.origin, found.size, found.root)
    for wrong in ("", text[:-1], text.replace("20852163", "020852163"), text.replace("=", ""), f"{text}\nx\n"):
        with pytest.raises(Unproven, match="no checkpoint"):
            parse_checkpoint(wrong)


def test_the_single_file_needs_nothing_of_the_console(tmp_path: Path) -> None:
    copy = tmp_path / "verify_sessionadmin.py"
    copy.write_bytes(Path(verify_sessionadmin.__file__).read_bytes())
    code = (
        "import sys, verify_sessionadmin as v; v.canonical_json([1]); "
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'activity', 'sessions_app', 'rfc8785')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
