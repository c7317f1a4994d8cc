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


@register
def check_publishing(**kwargs: Any) -> list[CheckMessage]:
    """Report E061 if how checkpoints are published is set wrongly."""
    if settings.EVIDENCE_CHECKPOINT_FILE_MODE in ("append", "replace") and settings.EVIDENCE_CHECKPOINT_MAIL_HOURS >= 0:
        return []
    return [
        Error(
            "EVIDENCE_CHECKPOINT_FILE_MODE is append or replace, and EVIDENCE_CHECKPOINT_MAIL_HOURS is 0 or more.",
            hint="See docs/evidence.md#checkpoints-outside-the-machine.",
            id="sessions_app.E061",
        )
    ]
