"""The formats in which a message is written. Each module has a pure function that returns the text of one message."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from sessions_app.siem.formats import cef, leef, ocsf, plain_json, rfc5424
from sessions_app.siem.message import Message
from sessions_app.siem.models import Format

# Each returns the whole text for a webhook, or what follows the header in a syslog message.
BODIES: Mapping[str, Callable[[Message], str]] = {
    Format.CEF: cef.body,
    Format.LEEF: leef.body,
    Format.OCSF: ocsf.body,
    Format.JSON: plain_json.body,
}
SHORTER = (1000, 300, 100, 40)  # characters of each text, tried in this order


def syslog_line(message: Message, kind: str, largest: int) -> bytes:
    """Return the syslog message of at most `largest` bytes, without framing."""
    if kind == Format.RFC5424:
        return _fitting(message, rfc5424.line, largest)
    body = BODIES[kind]
    return _fitting(message, lambda one: rfc5424.wrapped(one, body(one)), largest)


def webhook_body(message: Message, kind: str, largest: int) -> bytes:
    """Return the JSON of at most `largest` bytes."""
    body = BODIES[kind]
    return _fitting(message, lambda one: body(one).encode(), largest)


def _fitting(message: Message, write: Callable[[Message], bytes], largest: int) -> bytes:
    """Write the message, and leave out what is too much: first the details, then the ends of long texts.

    A message that lost something says so in its details, so that nobody takes it for the whole.
    """
    written = write(message)
    for length in SHORTER:
        if len(written) <= largest:
            break
        written = write(_shortened(message, length, len(written)))
    return written


def _shortened(message: Message, length: int, size: int) -> Message:
    return dataclasses.replace(
        message,
        text=_cut(message.text, length),
        actor=_cut(message.actor, length),
        user=_cut(message.user, length),
        target=_cut(message.target, length),
        details={"shortened_from_bytes": size},
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
