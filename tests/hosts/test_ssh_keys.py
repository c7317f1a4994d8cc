"""Public keys as people paste them: what is weak, damaged or secret is refused with a sentence."""

from __future__ import annotations

import base64
import itertools
import subprocess
from pathlib import Path

import asyncssh
import pytest

from sessions_app.hosts.ssh.keys import LONGEST_KEY_LINE, BadKey, PrivateKeyPasted, read_public_key


def security_key() -> str:
    """Return the public half of a hardware key (OpenSSH's PROTOCOL.u2f). No token is needed for that."""
    name, point, application = b"sk-ssh-ed25519@openssh.com", bytes(range(32)), b"ssh:"
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (name, point, application))
    return f"{name.decode()} {base64.b64encode(blob).decode()}"


def make(kind: str, **options: int) -> str:
    return asyncssh.generate_private_key(kind, comment="alice@laptop", **options).export_public_key().decode()


def test_a_line_as_long_as_may_be_is_read_and_no_longer_one() -> None:
    line = make("ssh-ed25519")
    longest = f"{line.strip()}{'x' * LONGEST_KEY_LINE}"[:LONGEST_KEY_LINE]
    assert read_public_key(longest).kind == "Ed25519"
    with pytest.raises(BadKey, match="too long"):
        read_public_key(f"{longest}x")


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        ("ssh-ed25519", {}, "Ed25519"),
        ("ecdsa-sha2-nistp256", {}, "ECDSA P-256"),
        ("ecdsa-sha2-nistp521", {}, "ECDSA P-521"),
        ("ssh-rsa", {"key_size": 3072}, "RSA 3072"),
    ],
)
def test_good_keys_are_taken_with_the_fingerprint_that_ssh_keygen_prints(
    tmp_path: Path, kind: str, options: dict[str, int], name: str
) -> None:
    line = make(kind, **options)
    key = read_public_key(f"\n {line} \r\n")
    path = tmp_path / "id.pub"
    path.write_text(line)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True, check=True).stdout
    assert key.fingerprint == shown.split()[1]
    assert key.kind == name
    assert key.comment == "alice@laptop"
    assert key.line == " ".join(line.split()[:2])


def test_security_keys_are_taken() -> None:
    assert read_public_key(security_key()).kind == "Ed25519 security key"


def test_a_weak_rsa_key_is_refused() -> None:
    with pytest.raises(BadKey, match="2048 bits"):
        read_public_key(make("ssh-rsa", key_size=2048))


def test_a_dsa_key_is_refused() -> None:
    with pytest.raises(BadKey, match="DSA"):
        read_public_key("ssh-dss AAAAB3NzaC1kc3MAAACBAPoH alice@laptop")


def test_a_private_key_is_refused_as_such() -> None:
    text = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with pytest.raises(PrivateKeyPasted) as caught:
        read_public_key(text)
    assert text.splitlines()[1] not in str(caught.value)


def test_a_certificate_is_refused_as_such() -> None:
    key, authority = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    certificate = authority.generate_user_certificate(key, "x").export_certificate().decode()
    with pytest.raises(BadKey, match="certificate"):
        read_public_key(certificate)


GOOD = make("ssh-ed25519").split()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "hello",
        "ssh-ed25519",
        f"ssh-ed25519 {GOOD[1][:-8]}",
        f"ssh-ed25519 {GOOD[1]}AAAA",
        f"ssh-ed25519 {GOOD[1][:-4]}!!!!",
        f"ssh-rsa {GOOD[1]}",
        f"ecdsa-sha2-nistp256 {GOOD[1]}",
        f'command="sh" {GOOD[0]} {GOOD[1]}',
        f"cert-authority {GOOD[0]} {GOOD[1]}",
        f"{GOOD[0]} {GOOD[1]}\n{GOOD[0]} {GOOD[1]}",
        f"{GOOD[0]} {GOOD[1]} x\nssh-rsa AAAA",
        f"ssh-ed25519 {'A' * LONGEST_KEY_LINE}",
        "ssh-ed25519 ☃",
    ],
    ids=itertools.count(),  # GOOD is made anew by each process; names of tests must not differ between them
)
def test_what_is_no_single_whole_key_is_refused(text: str) -> None:
    with pytest.raises(BadKey) as caught:
        read_public_key(text)
    assert str(caught.value).endswith(".") or "ssh-keygen" in str(caught.value)


def test_a_line_break_hidden_in_the_comment_does_not_smuggle_a_second_line() -> None:
    for separator in ("\r", "\x0b", "\x0c", "\x85", "\u2028"):
        with pytest.raises(BadKey):
            read_public_key(f"{GOOD[0]} {GOOD[1]} x{separator}ssh-ed25519 {GOOD[1]}")
