"""A log that is sealed and signed, as the worker does it, by a key of the test."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activity.log_export import canonical
from activity.models import LogEntry
from activity.seal import signing, tree
from activity.seal.models import Checkpoint, SealState
from activity.verify_sessionadmin import checkpoint_text, leaf_hash, signature_line, vkey_line

ORIGIN = "console.example.com/log"


class Signer:
    """Signs notes with a key of its own."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()
        self.vkey = vkey_line(ORIGIN, self.public)

    def __call__(self, text: str) -> str:
        return f"{text}\n{signature_line(ORIGIN, self.public, self._key.sign(text.encode()))}"


@contextmanager
def signing_with(signer: Signer) -> Iterator[None]:
    """Let the console sign with this key."""
    provided, before = signing._signer, list(signing._signer)  # a test may put another list in its place
    signing.provide_signer(signing.Signer(origin=lambda: ORIGIN, sign=signer))
    try:
        yield
    finally:
        provided[:] = before


def seal(signer: Signer) -> Checkpoint:
    """Seal every entry that is not sealed yet, and return the checkpoint."""
    state = SealState.current()
    entries = list(LogEntry.objects.filter(pk__gt=state.last_id).order_by("pk"))
    leaves = [leaf_hash(canonical(entry)) for entry in entries]
    tree.save(tree.grown(state.size, [entry.pk for entry in entries], leaves))
    state.size += len(entries)
    state.last_id = entries[-1].pk if entries else state.last_id
    state.save()
    root = tree.root(state.size)
    note = signer(checkpoint_text(ORIGIN, state.size, root))
    return Checkpoint.objects.create(size=state.size, root=root, note=note, key=ORIGIN)


def from_base64(text: str) -> bytes:
    """Return the bytes of a proof's hash."""
    return base64.b64decode(text, validate=True)
