"""Checks the limits of a connection profile against each other. Pure functions."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

SHORTEST_VIEW = dt.timedelta(seconds=5)  # of a secret
MOST_RECORDING_DAYS = 36_500


class Limits(Protocol):
    """The limits of a profile. Those that could not be read are None."""

    maximum_duration: dt.timedelta
    approval_timeout: dt.timedelta
    end_notice: dt.timedelta
    extension_by: dt.timedelta
    extension_limit: int
    logon_monitor_interval: int  # seconds
    secret_view_timeout: int  # seconds
    recording_days: int


def problems_of_limits(limits: Limits) -> dict[str, str]:
    """Return which limits are too small, or do not fit each other: field names and sentences."""
    longest: dt.timedelta | None = limits.maximum_duration
    found: dict[str, str] = {}
    for name in ("maximum_duration", "approval_timeout"):
        value = getattr(limits, name)
        if value is not None and value <= dt.timedelta(0):
            found[name] = "Enter a duration above zero, for instance 2 h."
    if limits.extension_limit and limits.extension_by is not None and limits.extension_by <= dt.timedelta(0):
        found["extension_by"] = "An extension must add some time, for instance 30 min."
    if longest is None or found:
        return found
    if limits.end_notice is not None and not dt.timedelta(0) <= limits.end_notice < longest:
        found["end_notice"] = "The end notification must come before the end: shorter than the maximum duration."
    if limits.extension_limit and limits.extension_by is not None and limits.extension_by > longest:
        found["extension_by"] = "An extension adds at most the maximum duration."
    if limits.logon_monitor_interval is not None and dt.timedelta(seconds=limits.logon_monitor_interval) > longest:
        found["logon_monitor_interval"] = "The logon monitor must look at least once in the maximum duration."
    if limits.secret_view_timeout is not None:
        shown = dt.timedelta(seconds=limits.secret_view_timeout)
        if shown < SHORTEST_VIEW or shown > longest:
            text = "Show a secret for at least 5 s, and at most the maximum duration."
            found["secret_view_timeout"] = text
    if limits.recording_days is not None and limits.recording_days > MOST_RECORDING_DAYS:
        found["recording_days"] = f"Keep recordings for at most {MOST_RECORDING_DAYS} days, or with 0 for ever."
    return found
