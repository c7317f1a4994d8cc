"""Codes of authenticator apps by RFC 6238: six digits from a shared secret and the time, each accepted once."""

from __future__ import annotations

import hmac
import time
from urllib.parse import quote, urlencode

import qrcode
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_app.factors.models import TotpSecret
from sessions_app.sealing import seal, unseal

PERIOD = 30  # seconds of one time step
DIGITS = 6
TOLERANCE = 1  # time steps that a clock may be wrong, in both directions
ISSUER = "SessionAdmin"


def new_secret() -> str:
    """Return a new secret of 160 bits in base32, as authenticator apps read it."""
    secret: str = generate_totp_secret()
    return secret


@sensitive_variables()
def step_of(secret: str, code: str, *, after: int = 0) -> int | None:
    """Return the time step whose code this is, if it is near enough to now and later than `after`; else None."""
    now = int(time.time()) // PERIOD
    for step in range(max(now - TOLERANCE, after + 1), now + TOLERANCE + 1):
        if hmac.compare_digest(format_hotp_value(hotp_value(secret, step)).encode(), code.encode()):
            return step
    return None


@sensitive_variables()
def use(user: AbstractBaseUser, code: str) -> bool:
    """Use one code up. Return False if it is wrong, or if it or a later one was used before.

    Of several processes that are given one code only the first writes its time step. Raise SealingError.
    """
    totp = TotpSecret.objects.filter(authenticator__user_id=user.pk).first()
    if totp is None:
        return False
    step = step_of(unseal(totp.secret).decode(), code, after=totp.last_step)
    if step is None:
        return False
    with transaction.atomic():
        if not TotpSecret.objects.filter(pk=totp.pk, last_step__lt=step).update(last_step=step):
            return False
        Authenticator.objects.filter(pk=totp.pk).update(last_used_at=timezone.now())
    return True


@sensitive_variables("secret")
def store(user: AbstractBaseUser, secret: str, *, step: int, name: str) -> Authenticator:
    """Store the secret of a person's authenticator app, whose code of `step` has been used. Raise NoKey."""
    sealed = seal(secret.encode())
    kind = Authenticator.Type.TOTP
    authenticator: Authenticator = Authenticator.objects.create(user_id=user.pk, type=kind, data={"name": name})
    TotpSecret.objects.create(authenticator=authenticator, secret=sealed, last_step=step)
    return authenticator


@sensitive_variables()
def address_of(user: AbstractBaseUser, secret: str, console: str) -> str:
    """Return the otpauth address that an app reads from the QR code. `console` tells several consoles apart."""
    label = quote(f"{ISSUER} {console}:{user.get_username()}")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': f'{ISSUER} {console}'}, quote_via=quote)}"


@sensitive_variables()
def qr_path(address: str) -> tuple[int, str]:
    """Return the size of the QR code of an address, and its dark squares as the path of an SVG image."""
    code = qrcode.QRCode(border=2)
    code.add_data(address)
    rows: list[list[bool]] = code.get_matrix()
    squares = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark)
    return len(rows), "".join(squares)
