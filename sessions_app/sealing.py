"""Secrets at rest: each is encrypted with a key of its own, and that key with the keys of the environment.

ENCRYPTION_KEYS holds the latter: the first seals, each of them opens. Changing them rewrites the small wrapped keys
only (`sessionadmin rotate_encryption`). Knows nothing of what it seals, and puts no secret into an exception or a repr.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models
from django.views.decorators.debug import sensitive_variables

FORMAT = "sealed1"  # sealed1:<wrapped data key>:<what was sealed>; both are Fernet tokens


class SealingError(Exception):
    """A secret cannot be sealed or opened. The text is fit for an administrator and holds no secret."""


class NoKey(SealingError):
    """ENCRYPTION_KEYS is not set, or one of its keys is no key."""


class Unreadable(SealingError):
    """Sealed with a key that is not among ENCRYPTION_KEYS, or damaged."""


class SealedField(models.TextField):  # type: ignore[type-arg]  # generic in the stubs only
    """A column that holds sealed text. The model's code calls seal() and unseal(); the attribute is never plain.

    `rotate_encryption` finds secrets by this class. It is not part of any form.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "editable": False})


def sealed_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Every model of this installation with a field that holds secrets."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SealedField):
                yield model, field.attname


@sensitive_variables()
def seal(plain: bytes) -> str:
    """`plain` as text for a database column. Raises NoKey."""
    wrapper = _wrapper()
    data_key = Fernet.generate_key()
    return ":".join((FORMAT, wrapper.encrypt(data_key).decode(), Fernet(data_key).encrypt(plain).decode()))


def unseal(text: str) -> bytes:
    """What was sealed. Raises NoKey, Unreadable."""
    wrapper = _wrapper()
    wrapped, token = _parts(text)
    try:
        return Fernet(wrapper.decrypt(wrapped)).decrypt(token)
    except (InvalidToken, ValueError):
        # Without a cause: tracebacks that print local variables would print what the token held.
        raise _unreadable() from None


def rotate(text: str) -> str:
    """The same secret, its data key wrapped by the first of ENCRYPTION_KEYS. Raises NoKey, Unreadable."""
    wrapper = _wrapper()
    wrapped, token = _parts(text)
    try:
        return ":".join((FORMAT, wrapper.rotate(wrapped).decode(), token.decode()))
    except InvalidToken:
        raise _unreadable() from None


def problem_of_keys(keys: Sequence[str]) -> str:
    """Why these keys cannot be used, by number and never by value; empty when they can."""
    if not keys:
        return "ENCRYPTION_KEYS is not set."
    for number, key in enumerate(keys, start=1):
        try:
            length = len(base64.b64decode(key.strip().encode(), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            length = 0
        if length != 32:
            return f"Key {number} of ENCRYPTION_KEYS is not 32 bytes in URL-safe base64."
    return ""


def _wrapper() -> MultiFernet:
    keys: Sequence[str] = settings.ENCRYPTION_KEYS
    if problem := problem_of_keys(keys):
        raise NoKey(f"{problem} No secret can be sealed or opened; see docs/deploy.md.")
    return MultiFernet([Fernet(key.strip()) for key in keys])


def _parts(text: str) -> tuple[bytes, bytes]:
    parts = text.split(":")
    if len(parts) != 3 or parts[0] != FORMAT or not text.isascii():
        raise _unreadable()
    return parts[1].encode(), parts[2].encode()


def _unreadable() -> Unreadable:
    return Unreadable(
        "A secret cannot be opened: it was sealed with a key that is not among ENCRYPTION_KEYS, or it is damaged. "
        "Put the key that sealed it back at the end of ENCRYPTION_KEYS."
    )
