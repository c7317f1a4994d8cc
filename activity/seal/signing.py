"""How the log's statements are signed: checkpoints, manifests of exports. Who has the keys hands in the signer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from activity.verify_sessionadmin import VerifierKey


class NoSigningKey(Exception):
    """There is no key to sign with, or it cannot be opened. The text is for an administrator."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has the keys. `origin` and `sign` raise NoSigningKey.

    `origin` returns the name of the log. `sign` takes the text of a note, whose last line ends with a newline, and
    returns the signed note (C2SP signed-note). `public_keys` returns those whose signatures count.
    """

    origin: Callable[[], str]
    sign: Callable[[str], str]
    public_keys: Callable[[], Sequence[VerifierKey]] = tuple


_signer: list[Signer] = []


def provide_signer(signer: Signer) -> None:
    """Hand in who signs; called once at start."""
    _signer[:] = [signer]


def origin() -> str:
    """Return the name of the log, as checkpoints state it. Raise NoSigningKey."""
    return _provided().origin()


def sign(text: str) -> str:
    """Return `text` as a signed note, with a signature of each key that signs now. Raise NoSigningKey."""
    return _provided().sign(text)


def public_keys() -> Sequence[VerifierKey]:
    """Return the public keys whose signatures count, of old statements too; none where nothing signs."""
    return _signer[0].public_keys() if _signer else ()


def _provided() -> Signer:
    if not _signer:
        raise NoSigningKey("Nothing in this process signs. Nothing was signed.")
    return _signer[0]
