"""The manifest of a download: what the file holds, so that nobody can change it or leave something out unnoticed.

It is a signed note (C2SP signed-note) of two lines: what it is, and canonical JSON (RFC 8785). The words of the fields
are described in docs/evidence.md, and activity/verify_sessionadmin.py reads them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Generator, Iterable, Mapping

from activity.seal.signing import NoSigningKey, sign
from activity.verify_sessionadmin import MANIFEST, PROOFS_ENDING, canonical_json

logger = logging.getLogger(__name__)


def manifest(facts: Mapping[str, object]) -> str:
    """Return the manifest with these facts, signed; without a signature where there is no key to sign with."""
    text = f"{MANIFEST}\n{canonical_json({'v': 1, **facts}).decode()}\n"
    try:
        return sign(text)
    except NoSigningKey as problem:
        logger.warning("A download has a manifest without a signature. %s", problem)
        return text


class Proofs:
    """The lines that prove the rows of a file, and what its manifest says of them once they are written."""

    def __init__(self, lines: Iterable[tuple[bytes, int, int]]) -> None:
        """Take pieces of the lines, each with how many of its rows are sealed and are not."""
        self._lines = lines
        self._digest = hashlib.sha256()
        self._sealed = self._unsealed = 0

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the lines in pieces, and count what goes by."""
        for piece, sealed, unsealed in self._lines:
            self._digest.update(piece)
            self._sealed, self._unsealed = self._sealed + sealed, self._unsealed + unsealed
            yield piece

    def facts(self, file_name: str) -> dict[str, object]:
        """Return what the manifest of the file says of its proofs."""
        name, sha256 = f"{file_name}{PROOFS_ENDING}", self._digest.hexdigest()
        return {"file": name, "sha256": sha256, "sealed": self._sealed, "unsealed": self._unsealed}
