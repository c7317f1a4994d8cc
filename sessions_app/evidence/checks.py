"""System checks of the settings of the evidence."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from sessions_app.evidence import retention, timestamps

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


@register
def check_timestamps(**kwargs: Any) -> list[CheckMessage]:
    """Report E063 if time-stamps of checkpoints are wanted, and cannot be asked for or verified."""
    url: str = settings.EVIDENCE_TSA_URL
    if not url:
        return []
    problem = "" if url.startswith(("http://", "https://")) else f"EVIDENCE_TSA_URL {url} is no address of the web."
    try:
        timestamps.certificates()
    except timestamps.TimestampError as error:
        problem = problem or str(error)
    hint = "Write the authority's address, and the path of a PEM file with its root certificate."
    return [Error(problem, hint=hint, id="sessions_app.E063")] if problem else []


@register
def check_retention(**kwargs: Any) -> list[CheckMessage]:
    """Report E062 if LOG_RETENTION_DAYS is no number of days, and W062 if it is not obeyed because it is too short."""
    if settings.LOG_RETENTION_DAYS < 0:
        return [
            Error(
                "LOG_RETENTION_DAYS is below 0. Nothing is deleted.",
                hint="Write how many days entries of the log are kept; 0 keeps them for ever.",
                id="sessions_app.E062",
            )
        ]
    if retention.is_too_short():
        return [Warning(retention.too_short_words(), hint=retention.TOO_SHORT_REMEDY, id="sessions_app.W062")]
    return []
