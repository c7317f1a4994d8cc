"""Describes the program of an SSH client by what it says about itself, which proves nothing."""

from __future__ import annotations

import re

from activity.text import plain
from sessions_app.logins.device import NAME_LENGTH, USER_AGENT_LENGTH, VERSION_LENGTH

# "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "SSH-2.0-PuTTY_Release_0.81" (RFC 4253, 4.2)
_VERSION = re.compile(r"^SSH-[\d.]+-(?P<name>[A-Za-z][A-Za-z0-9.+]*)(?:_Release)?[_-]?(?P<version>\d[\w.]*)?")


def described(client: str) -> dict[str, str]:
    """Return the fields of a login session that say with which program the person came."""
    text = plain(client, USER_AGENT_LENGTH)
    found = _VERSION.match(text)
    return {
        "user_agent": text,
        "device": "SSH client",
        "browser": (found["name"] if found else "")[:NAME_LENGTH],
        "browser_version": (found["version"] or "" if found else "")[:VERSION_LENGTH],
    }
