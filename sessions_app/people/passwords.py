"""Checks of new passwords: what anybody would try here, what is common, and what was breached (OWASP ASVS 5, 6.2)."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Set
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
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
FEWEST_DIFFERENT = 5  # characters
SHORTEST_PART = 4  # characters of a common password that counts inside another one
LONGEST_PARTS = 70  # characters of two common passwords
LONGEST_LINE = 200  # bytes
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike
logger = logging.getLogger(__name__)


def random_password() -> str:
    """Return a password of 100 random bits that a person can read out and type."""
    letters = [secrets.choice(ALPHABET) for _ in range(20)]
    return "-".join("".join(letters[at : at + 5]) for at in range(0, 20, 5))


class CommonPartsValidator(CommonPasswordValidator):
    """Refuses a common password, and what is hardly more than one or two of them (OWASP ASVS 5, 6.2.4).

    Of the 20,000 that Django knows less than 200 are long enough to be accepted. Joined, doubled and with a few more
    characters they are what people choose who have to use twelve.
    """

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError for such a password, and for one of less than five different characters."""
        super().validate(password, user)
        text = password.casefold().strip()
        if len(set(text)) < FEWEST_DIFFERENT or (len(text) <= LONGEST_PARTS and is_made_of(text, self.passwords)):
            raise ValidationError(
                "This password is hardly more than one or two of those that are tried first. Use other words.",
                code="password_too_common",
            )


def is_made_of(text: str, words: Set[str], parts: int = 2, rest: int = 2) -> bool:
    """Return whether the text is at most so many of the words, with at most `rest` characters around them."""
    if len(text) <= rest:
        return True
    return parts > 0 and any(
        text[begin:end] in words and is_made_of(text[end:], words, parts - 1, rest - begin)
        for begin in range(rest + 1)
        for end in range(begin + SHORTEST_PART, len(text) + 1)
    )


class BreachedPasswordValidator:
    """Refuses a password of the file that BREACHED_PASSWORDS_FILE names, if there is one (OWASP ASVS 5, 6.2.12)."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError for a breached password, and where the file cannot be read."""
        path = settings.BREACHED_PASSWORDS_FILE
        try:
            is_known = bool(path) and is_breached(password, path)
        except OSError as error:
            logger.error("BREACHED_PASSWORDS_FILE %s cannot be read: %s", path, type(error).__name__)
            raise ValidationError(
                "New passwords cannot be checked against breached ones at the moment. Nothing was changed. Tell an "
                "administrator.",
                code="password_not_checked",
            ) from None
        if is_known:
            raise ValidationError(
                "This password was stolen elsewhere and stands in public lists. Use another one.",
                code="password_breached",
            )

    def get_help_text(self) -> str:
        return ""


def is_breached(password: str, path: str) -> bool:
    """Return whether the file has the SHA-1 of the password. Raise OSError.

    Each line is 40 digits in hex and what follows them, and the lines are sorted, as Have I Been Pwned gives them out.
    They are found by halving, so that a file of many gigabytes costs some forty short reads.
    """
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with Path(path).open("rb") as file:
        low, high = 0, file.seek(0, os.SEEK_END)  # between these the line begins, if it is there
        while low < high:
            middle = (low + high) // 2
            file.seek(max(middle - 1, 0))
            if middle:
                file.readline(LONGEST_LINE)  # to the first line that begins here or later
            begin, line = file.tell(), file.readline(LONGEST_LINE)
            found = line[: len(wanted)].upper()
            if begin >= high or found > wanted:
                high = middle
            elif found == wanted:
                return True
            else:
                low = file.tell()
    return False


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
