"""Second factors for tests: people who have an authenticator app, and the codes that it shows."""

from __future__ import annotations

import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.models import User

from sessions_app.factors import totp

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def give_app(user: User, secret: str = SECRET) -> str:
    """Give the user an authenticator app of which no code was used yet. Return its secret."""
    totp.store(user, secret, step=0, name="Phone")
    return secret


def code_of(secret: str = SECRET, *, steps: int = 0) -> str:
    """Return the code that the app shows now, or `steps` time steps later."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // totp.PERIOD + steps)))
