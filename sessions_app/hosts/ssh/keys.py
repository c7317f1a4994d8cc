"""Reads public keys that people paste, strictly, and refuses weak ones. Pure functions."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import asyncssh
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

LONGEST_KEY_LINE = 8192  # characters; RSA with 16,384 bits, the most that OpenSSH takes, needs 2,800
LEAST_RSA_BITS = 3072  # 128 bits of security: NIST SP 800-57 part 1
MOST_RSA_BITS = 16384  # OpenSSH's own limit
KINDS = {
    "ssh-ed25519": "Ed25519",
    "sk-ssh-ed25519@openssh.com": "Ed25519 security key",
    "ecdsa-sha2-nistp256": "ECDSA P-256",
    "ecdsa-sha2-nistp384": "ECDSA P-384",
    "ecdsa-sha2-nistp521": "ECDSA P-521",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA security key",
    "ssh-rsa": "RSA",
}
WHAT_TO_PASTE = "Paste the one line of a public key, for instance from ~/.ssh/id_ed25519.pub."


class BadKey(Exception):
    """The text is no acceptable public key. The message is for the person and repeats nothing of the text."""


class PrivateKeyPasted(BadKey):
    """Somebody pasted a private key. It must not be shown again, not even to them."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that was accepted. `line` is its type and base64, without comment and options."""

    line: str
    kind: str
    fingerprint: str  # SHA256:..., as ssh-keygen -l prints it
    comment: str


def read_public_key(text: str) -> PublicKey:
    """Return the key in `text`, which is one line as in a .pub file. Raise BadKey or PrivateKeyPasted."""
    if "PRIVATE KEY" in text or "PuTTY-User-Key-File" in text:
        raise PrivateKeyPasted(
            "This is a private key. It was not stored. It has left your machine, so make a new one, and paste the "
            "line of its .pub file."
        )
    if len(text) > LONGEST_KEY_LINE:
        raise BadKey(f"This is too long for a public key. {WHAT_TO_PASTE}")
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if len(lines) != 1:
        raise BadKey(f"This is not one line. {WHAT_TO_PASTE}")
    name, encoded, comment = (*lines[0].split(None, 2), "", "", "")[:3]
    if name.endswith("-cert-v01@openssh.com"):
        raise BadKey("This is a certificate. Paste the public key that it was made for.")
    if name in ("ssh-dss", "ssh-dsa"):
        raise BadKey("DSA keys are too weak. Make an Ed25519 key with: ssh-keygen -t ed25519")
    if name not in KINDS:
        raise BadKey(f"This is no public key of a known type. {WHAT_TO_PASTE}")
    key = _decoded(name, encoded)
    return PublicKey(f"{name} {encoded}", _kind(name, f"{name} {encoded}"), key.get_fingerprint("sha256"), comment)


def _decoded(name: str, encoded: str) -> asyncssh.SSHKey:
    """Return the key. Raise BadKey unless every byte belongs to a key of that type."""
    damaged = f"This key is damaged: part of it is missing or changed. {WHAT_TO_PASTE}"
    try:
        blob = base64.b64decode(encoded, validate=True)
        key = asyncssh.import_public_key(f"{name} {encoded}")
        same = key.public_data == blob and base64.b64encode(blob).decode() == encoded
    except (binascii.Error, asyncssh.KeyImportError, ValueError) as error:
        raise BadKey(damaged) from error
    if not same or key.get_algorithm() != name:
        raise BadKey(damaged)
    return key


def _kind(name: str, line: str) -> str:
    """Return the name of its kind for people.

    Raise BadKey for an RSA key that is too weak or that OpenSSH would refuse.
    """
    if name != "ssh-rsa":
        return KINDS[name]
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey(f"This RSA key cannot be used. {WHAT_TO_PASTE}") from error
    bits = key.key_size if isinstance(key, RSAPublicKey) else 0
    if not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
        raise BadKey(
            f"This RSA key has {bits} bits; between {LEAST_RSA_BITS} and {MOST_RSA_BITS} are taken. "
            "Better make an Ed25519 key with: ssh-keygen -t ed25519"
        )
    return f"RSA {bits}"
