"""When a connection profile asks for a fresh second factor: its two fields, and the words for it on pages."""

from __future__ import annotations

from typing import Any

# The arguments of the model fields.
AT_START: dict[str, Any] = {
    "verbose_name": "second factor at the start",
    "default": False,
    "help_text": "To begin a session, the person gives a second factor, at most five minutes before. If the session "
    "begins by itself at its time or with the approval, they give it when they first connect.",
}
AT_CONNECT: dict[str, Any] = {
    "verbose_name": "second factor at each connect",
    "default": False,
    "help_text": "The same each time: in the browser before the terminal opens, over SSH as a code of the "
    "authenticator app or a one-time password of the console.",
}


def when(*, at_start: bool, at_connect: bool) -> str:
    """Return when it is asked for, as the end of a sentence; an empty string for never."""
    words = {"when the session begins": at_start, "at each connect": at_connect}
    return " and ".join(text for text, is_asked in words.items() if is_asked)
