"""The statement of a finished review: plain lines, signed with the keys of the log where there are any."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import Any

from django.conf import settings

from activity.seal.models import Checkpoint
from activity.seal.signing import NoSigningKey, sign
from activity.text import plain
from activity.verify_sessionadmin import canonical_json


def written(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """Return a statement: its title, one line for each fact, and the newest checkpoint of the sealed log."""
    lines = [title, f"console: {settings.SITE_URL}"]
    lines += [f"{name}: {_text(value)}" for name, value in facts]
    checkpoint = Checkpoint.objects.order_by("-size", "-pk").first()
    if checkpoint is None:
        lines.append("checkpoint of the log: none yet")
    else:
        lines.append(f"checkpoint of the log: {checkpoint.size} entries, root {bytes(checkpoint.root).hex()}")
    return "".join(f"{plain(line)}\n" for line in lines)


def signed(statement: str) -> str:
    """Return the statement as a signed note (C2SP signed-note); an empty string if there is no key to sign with."""
    try:
        return sign(statement)
    except NoSigningKey:
        return ""  # the page and the export say that it is not signed


def digest(value: Any) -> str:
    """Return the SHA-256 of a value as canonical JSON (RFC 8785), in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def in_utc(value: dt.datetime | None) -> str | None:
    """Return a time as statements and exports write it: in UTC, to the second."""
    return f"{value.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}" if value is not None else None


def _text(value: object) -> str:
    if isinstance(value, dt.datetime):
        return in_utc(value) or ""
    return "none" if value in (None, "") else str(value)
