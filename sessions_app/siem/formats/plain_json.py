"""Messages as JSON with the columns of the log, in the shape that the Standard Webhooks suggest."""

from __future__ import annotations

import dataclasses
import datetime as dt

from sessions_app.siem.message import Message, as_json


def body(message: Message) -> str:
    """Return the object with `type`, `timestamp` and `data`."""
    at = message.at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    data = dataclasses.asdict(message) | {"at": at}
    return as_json({"type": message.verb, "timestamp": at, "data": data})
