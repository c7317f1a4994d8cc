"""A check of new passwords for words that anybody would try here (OWASP ASVS 5, 6.1.2 and 6.2.11)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

# What the console, its roles and its subject are called. The names of its own host join them.
WORDS = frozenset(
    [
        "sessionadmin",
        "administrator",
        "administrators",
        "auditor",
        "auditors",
        "approver",
        "approvers",
        "console",
        "gateway",
        "jumphost",
        "bastion",
        "privileged",
        "session",
        "sessions",
        "server",
        "servers",
        "password",
        "login",
        "admin",
        "root",
    ]
)
LEAST = 8  # characters that must be left without such words


class ContextWordsValidator:
    """Refuses a password that is little more than names of the console, of its host and of the person."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError if fewer than eight characters are left without those words."""
        left = password.casefold()
        for word in sorted(context_words(user), key=len, reverse=True):
            left = left.replace(word, "")
        if len(left) < LEAST:
            raise ValidationError(
                f"This password is hardly more than words that anybody would try for this console. Use at least "
                f"{LEAST} other characters.",
                code="password_of_context_words",
            )

    def get_help_text(self) -> str:
        return "Your password can't be little more than names of this console, its host or its person."


def context_words(user: Any = None) -> set[str]:
    """Return the words that do not count in a password of this person, in lower case."""
    host = urlsplit(settings.SITE_URL).hostname or ""
    own = [getattr(user, name, "") or "" for name in ("username", "first_name", "last_name")]
    words = {*WORDS, *host.split("."), *(word for text in own for word in text.split())}
    return {word.casefold() for word in words if len(word) >= 4}
