"""Ten recovery codes of a person, for the day on which the phone or the key is lost. Each is good once."""

from __future__ import annotations

import hashlib
import secrets

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_app.factors.models import RecoveryCode

COUNT = 10
LENGTH = 10  # characters of 5 bits each
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # without 0, 1, I and O, which look alike


@sensitive_variables()
def make(user: AbstractBaseUser) -> list[str]:
    """Replace the recovery codes of a person. Return the new ones, which nobody can read again afterwards."""
    salt = secrets.token_hex(16)
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(COUNT)]
    rows = [RecoveryCode(user_id=user.pk, salt=salt, code_hash=_hash(code, salt)) for code in codes]
    with transaction.atomic():
        RecoveryCode.objects.filter(user_id=user.pk).delete()
        RecoveryCode.objects.bulk_create(rows)
    return [f"{code[:5]}-{code[5:]}" for code in codes]


@sensitive_variables()
def use(user: AbstractBaseUser, code: str) -> bool:
    """Use one code up, written without its hyphen. Return False if it is wrong, or used before by whichever process."""
    unused = RecoveryCode.objects.unused().filter(user_id=user.pk)
    salt = unused.values_list("salt", flat=True).first()
    if salt is None or len(code) != LENGTH:
        return False
    return bool(unused.filter(code_hash=_hash(code, salt)).update(used_at=timezone.now()))


def left(user: AbstractBaseUser) -> int:
    """Return how many codes are unused."""
    return RecoveryCode.objects.unused().filter(user_id=user.pk).count()


@sensitive_variables()
def _hash(code: str, salt: str) -> str:
    """Return the scrypt hash of a code in hex: 50 random bits are too few for a quick hash (OWASP ASVS 5, 6.5.2)."""
    return hashlib.scrypt(code.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32).hex()
