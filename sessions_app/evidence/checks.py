"""System checks of the settings of the evidence."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

LONGEST_ORIGIN = 100  # characters


@register
def check_origin(**kwargs: Any) -> list[CheckMessage]:
    """Report E060 if EVIDENCE_ORIGIN cannot be the name of a log in a signed note."""
    origin: str = settings.EVIDENCE_ORIGIN
    if len(origin) <= LONGEST_ORIGIN and "+" not in origin and not any(one.isspace() for one in origin):
        return []
    return [
        Error(
            f"EVIDENCE_ORIGIN {origin[:LONGEST_ORIGIN]!r} cannot be the name of a log.",
            hint=f"Write at most {LONGEST_ORIGIN} characters without blanks and without +, such as "
            "console.example.com/log; or nothing, for the address of the console.",
            id="sessions_app.E060",
        )
    ]
