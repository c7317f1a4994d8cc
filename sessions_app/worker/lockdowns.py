"""Finish disconnections and reports that were accepted, and that an outage or a dead web process left unfinished."""

from __future__ import annotations

import datetime as dt

from sessions_app.not_me.flows import report
from sessions_app.privileged.flows import lockdown


def finish(now: dt.datetime) -> int:
    """Carry out every unfinished disconnection, and every report “This wasn't me”. Return how many there were."""
    left = lockdown.unfinished(now)
    for one in left:
        lockdown.carry_out(one)
    reports = report.unfinished(now)
    for made in reports:
        report.carry_out(made)
    return len(left) + len(reports)
