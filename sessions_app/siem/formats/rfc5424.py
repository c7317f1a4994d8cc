"""Syslog messages after RFC 5424: the header, and structured data with every column of the entry.

The facility is 13, “log audit”. The number 32473 in the name of the structured data is the one that RFC 5612 keeps for
examples: this project has no number of its own.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import socket

from activity.models import Level
from sessions_app.siem.message import PRODUCT, Message, visible

FACILITY = 13
SEVERITIES = {Level.DEBUG: 7, Level.INFO: 6, Level.WARNING: 4, Level.ERROR: 3}
STRUCTURED_DATA = "sessionadmin@32473"
APP_NAME = PRODUCT.lower()
BYTE_ORDER_MARK = "\ufeff"  # says that what follows is UTF-8 (RFC 5424, 6.4)


def line(message: Message) -> bytes:
    """Return the message with structured data. A text of ASCII has no byte-order mark, because it needs none."""
    text = visible(message.text)
    mark = "" if text.isascii() else BYTE_ORDER_MARK
    return f"{_header(message)} {_structured_data(message)} {mark}{text}".encode()


def wrapped(message: Message, body: str) -> bytes:
    """Return a message whose text is in another format. Parsers of those expect no byte-order mark."""
    return f"{_header(message)} - {body}".encode()


def _header(message: Message) -> str:
    severity = SEVERITIES.get(Level(message.level), 6)
    at = message.at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"<{FACILITY * 8 + severity}>1 {at} {_host_name()} {APP_NAME} {os.getpid()} {_printable(message.verb, 32)}"


@functools.cache
def _host_name() -> str:
    return _printable(socket.getfqdn() or "-", 255) or "-"


def _printable(text: str, length: int) -> str:
    """Return what a field of the header may hold: printable ASCII without a space."""
    return "".join(one for one in text if "!" <= one <= "~")[:length]


def _structured_data(message: Message) -> str:
    values = (
        ("kind", message.kind),
        ("key", message.key),
        ("id", message.entry_id),
        ("verb", message.verb),
        ("level", Level(message.level).name.lower()),
        ("outcome", message.outcome),
        ("actorId", message.actor_id),
        ("actor", message.actor),
        ("userId", message.user_id),
        ("user", message.user),
        ("targetType", message.target_type),
        ("targetId", message.target_id),
        ("target", message.target),
        ("ip", message.ip),
        ("loginId", message.login_id),
        ("details", message.details_json()),
    )
    shown = (f'{name}="{_escaped(str(value))}"' for name, value in values if value not in (None, ""))
    return f"[{STRUCTURED_DATA} {' '.join(shown)}]"


def _escaped(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
