"""How the log's statements are signed: checkpoints, manifests of exports. Who has the keys hands in the signer."""

from __future__ import annotations

from collections.abc import Callable


class NoSigningKey(Exception):
    """There is no key to sign with, or it cannot be opened. The text is for an administrator."""


_signer: list[Callable[[str], str]] = []


def provide_signer(signer: Callable[[str], str]) -> None:
    """Hand in the function that signs; called once at start.

    It takes the text of a note, whose last line ends with a newline, and returns the signed note (C2SP signed-note). It
    raises NoSigningKey.
    """
    _signer[:] = [signer]


def sign(text: str) -> str:
    """Return `text` as a signed note, with a signature of each key that signs now. Raise NoSigningKey."""
    if not _signer:
        raise NoSigningKey("Nothing in this process signs. Nothing was signed.")
    return _signer[0](text)
