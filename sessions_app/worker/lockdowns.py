"""Finish disconnections that were accepted, and that an outage or a dead web process left unfinished."""

from __future__ import annotations

import datetime as dt

from sessions_app.privileged.flows import lockdown


def finish(now: dt.datetime) -> int:
    """Carry out every unfinished disconnection. Return how many there were."""
    left = lockdown.unfinished(now)
    for one in left:
        lockdown.carry_out(one)
    return len(left)
