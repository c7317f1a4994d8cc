"""The manifest of a download: what the file holds, so that nobody can change it or leave something out unnoticed.

It is a signed note (C2SP signed-note) of two lines: what it is, and canonical JSON (RFC 8785). The words of the fields
are described in docs/evidence.md, and activity/verify_sessionadmin.py reads them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from activity.seal.signing import NoSigningKey, sign
from activity.verify_sessionadmin import canonical_json

KIND = "sessionadmin-export/v1"
ENDING = ".manifest"

logger = logging.getLogger(__name__)


def manifest(facts: Mapping[str, object]) -> str:
    """Return the manifest with these facts, signed; without a signature where there is no key to sign with."""
    text = f"{KIND}\n{canonical_json({'v': 1, **facts}).decode()}\n"
    try:
        return sign(text)
    except NoSigningKey as problem:
        logger.warning("A download has a manifest without a signature. %s", problem)
        return text
