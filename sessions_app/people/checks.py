"""A system check of the file of breached passwords."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

LINE = re.compile(rb"[0-9A-Fa-f]{40}(:|\s|$)")
LINES_LOOKED_AT = 1_000


@register
def check_breached_passwords(**kwargs: Any) -> list[CheckMessage]:
    """Report W054 for a file that cannot be read, or whose first lines are no sorted SHA-1 hashes.

    It is no error, because neither a worker nor a gateway needs the file. Without it no password is set (passwords.py).
    """
    path = settings.BREACHED_PASSWORDS_FILE
    if not path:
        return []
    try:
        with Path(path).open("rb") as file:
            lines = [line for line, _ in zip(file, range(LINES_LOOKED_AT), strict=False)]
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    else:
        hashes = [line[:40].upper() for line in lines if LINE.match(line)]
        if lines and len(hashes) == len(lines) and hashes == sorted(hashes):
            return []
        problem = "is no sorted list of SHA-1 hashes, one a line"
    hint = "Take the file of Have I Been Pwned that is ordered by hash, or leave the setting empty."
    return [Warning(f"BREACHED_PASSWORDS_FILE {path} {problem}.", hint=hint, id="sessions_app.W054")]
