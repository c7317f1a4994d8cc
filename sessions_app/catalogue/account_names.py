"""Names of login accounts on hosts. Pure functions, which know neither activities nor sessions."""

from __future__ import annotations

import hashlib
import re

# What Linux accepts as an account name (useradd(8)), so that no template can smuggle anything into a command.
ACCOUNT_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
TEMPLATE_RULE = (
    "Use small letters, digits, - and _, and only the placeholders {user} and {session}; the name must start with "
    "a letter or _ and fit 32 characters."
)
LONGEST_ACCOUNT_NAME = 32  # characters
HASH_DIGITS = 8  # how many hexadecimal digits of the hash are used
ENDS_WITH_HASH = re.compile(rf"-[0-9a-f]{{{HASH_DIGITS}}}$")


def account_name(template: str, username: str, session_id: int) -> str:
    """Return the template with {user} and {session} replaced, as a name that Linux accepts.

    Two users of one template never get the same name. Where a user name must be changed or shortened (`a.b`, `Alice`,
    forty letters), a hash of the whole user name follows it. A user name that looks as if it ended with such a hash
    gets one too.
    """
    name = template.replace("{session}", str(session_id))
    room = max((LONGEST_ACCOUNT_NAME - len(name.replace("{user}", ""))) // max(name.count("{user}"), 1), 1)
    return name.replace("{user}", _written(username, room, is_first=name.startswith("{user}")))


def login_account_example(template: str) -> str:
    """Return what the template makes for one person, as a sentence; why it cannot be used; or an empty string."""
    if not template.strip():
        return ""
    if problem := problem_of_template(template):
        return problem
    return f"alice on session 12 gets {account_name(template, 'alice', 12)}"


def problem_of_template(template: str) -> str:
    """Return why the template cannot make names that Linux accepts; an empty string if it can."""
    example = template.replace("{user}", "user").replace("{session}", "1")
    return "" if ACCOUNT_NAME.fullmatch(example) else TEMPLATE_RULE


def _written(username: str, room: int, *, is_first: bool) -> str:
    """Return the user name in at most `room` characters."""
    safe = re.sub(r"[^a-z0-9_-]+", "-", username.lower()).strip("-") or "user"
    if is_first and not ACCOUNT_NAME.match(safe):
        safe = f"u{safe}"
    if safe == username and len(safe) <= room and not ENDS_WITH_HASH.search(safe):
        return safe
    hashed = hashlib.sha256(username.encode()).hexdigest()[:HASH_DIGITS]
    # If the template leaves less room, a letter and as much of the hash as fits.
    return f"{safe[: room - HASH_DIGITS - 1]}-{hashed}" if room > HASH_DIGITS + 1 else f"u{hashed}"[:room]
