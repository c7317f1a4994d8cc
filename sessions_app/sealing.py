"""Encryption of secrets in the database.

Each secret has a data key of its own, which is encrypted with the keys in ENCRYPTION_KEYS: the first one encrypts, and
each of them decrypts. A change of these keys rewrites only the small data keys (`sessionadmin rotate_encryption`). No
secret ever stands in an exception or a repr.
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
    """A secret cannot be encrypted or decrypted. The text is for an administrator and holds no secret."""


class NoKey(SealingError):
    """ENCRYPTION_KEYS is empty, or one of its keys is not valid."""


class UnsealError(SealingError):
    """The secret is damaged, or its key is not among ENCRYPTION_KEYS."""


class SealedField(models.TextField):  # type: ignore[type-arg]  # generic in the stubs only
    """A column for encrypted text, which is not part of any form.

    The code of the model calls seal() and unseal(); the attribute itself never holds the plain text.
    `rotate_encryption` finds the secrets by this class.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "editable": False})


def sealed_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Yield each model with a SealedField, and the name of that field."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SealedField):
                yield model, field.attname


@sensitive_variables()
def seal(plain: bytes) -> str:
    """Return `plain` encrypted, as text for a database column. Raise NoKey."""
    wrapper = _wrapper()
    data_key = Fernet.generate_key()
    return ":".join((FORMAT, wrapper.encrypt(data_key).decode(), Fernet(data_key).encrypt(plain).decode()))


def unseal(text: str) -> bytes:
    """Return the decrypted content. Raise NoKey or UnsealError."""
    wrapper = _wrapper()
    wrapped, token = _parts(text)
    try:
        return Fernet(wrapper.decrypt(wrapped)).decrypt(token)
    except (InvalidToken, ValueError):
        # Without a cause, because a traceback with local variables would show what the token held.
        raise _unseal_error() from None


def rotate(text: str) -> str:
    """Return the same secret with its data key encrypted by the first of ENCRYPTION_KEYS.

    Raise NoKey or UnsealError.
    """
    wrapper = _wrapper()
    wrapped, token = _parts(text)
    try:
        return ":".join((FORMAT, wrapper.rotate(wrapped).decode(), token.decode()))
    except InvalidToken:
        raise _unseal_error() from None


def problem_of_keys(keys: Sequence[str]) -> str:
    """Return why these keys cannot be used, by number and never by value; an empty string if they can."""
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
        raise NoKey(f"{problem} No secret can be sealed or opened; see docs/ssh-ca.md#change-the-encryption-key.")
    return MultiFernet([Fernet(key.strip()) for key in keys])


def _parts(text: str) -> tuple[bytes, bytes]:
    parts = text.split(":")
    if len(parts) != 3 or parts[0] != FORMAT or not text.isascii():
        raise _unseal_error()
    return parts[1].encode(), parts[2].encode()


def _unseal_error() -> UnsealError:
    return UnsealError(
        "A secret cannot be opened: it was sealed with a key that is not among ENCRYPTION_KEYS, or it is damaged. "
        "Put the key that sealed it back at the end of ENCRYPTION_KEYS."
    )
