"""Checks second factors: the one door for the login, for Confirm, for SSH and for whatever else asks for a factor.

A wrong code is counted as a wrong password is (logins/throttle.py), in a count of its own, and logged.
"""

from __future__ import annotations

from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.factors import recovery, totp
from sessions_app.factors.models import RecoveryCode
from sessions_app.logins import authentication, throttle
from sessions_app.logins.models import SecondFactor
from sessions_app.sealing import SealingError

LONGEST_CODE = 40  # characters that somebody may type, with blanks and hyphens


class CannotCheck(authentication.LoginRefused):
    """The secret of the authenticator app cannot be opened, so that no code of it can be checked."""

    def __init__(self) -> None:
        super().__init__(
            "Codes of authenticator apps cannot be checked at the moment, because the console cannot open its secrets. "
            "The code was not checked. Use a security key or a recovery code, or tell an administrator "
            "(ENCRYPTION_KEYS)."
        )


class TooManyCodes(authentication.TooManyTries):
    """Too many wrong codes. The code was not checked."""

    happened = "Too many wrong codes. The code was not checked and nothing was done."


@dataclass(frozen=True)
class Factors:
    """What a person has set up. Recovery codes alone are no second factor; they stand in for one."""

    has_app: bool
    keys: int  # security keys and passkeys
    recovery_codes: int  # unused ones

    @property
    def any(self) -> bool:
        return self.has_app or self.keys > 0

    @property
    def accepts_code(self) -> bool:
        """Return whether the person can type something, as over SSH: a code of the app, or a recovery code."""
        return self.has_app or (self.any and self.recovery_codes > 0)


def factors_of(user: AbstractBaseUser) -> Factors:
    """Return what the person has set up, with one query."""
    codes = RecoveryCode.objects.unused().filter(user_id=user.pk).order_by()
    count = codes.values("user_id").annotate(count=models.Count("pk")).values("count")
    rows = Authenticator.objects.filter(user_id=user.pk).values_list("type", models.Subquery(count))
    kinds = [kind for kind, _ in rows]
    keys = kinds.count(Authenticator.Type.WEBAUTHN)
    return Factors(Authenticator.Type.TOTP in kinds, keys, (rows[0][1] or 0) if kinds else 0)


@sensitive_variables("code")
def verify_code(user: AbstractBaseUser, code: str, *, address: str) -> SecondFactor | None:
    """Use up a code of the authenticator app or a recovery code. Return which it was, or None for a wrong one.

    `address` is the public address of the person, "" where there is none (service.request_ip). Raise TooManyTries or
    ThrottleUnavailable without checking the code, and CannotCheck, all of them LoginRefused with words for the person.
    """
    name = user.get_username()
    block = authentication.count_try(name, address, throttle.CODES)
    if block is not None:
        if block.is_news:
            _record(Verb.LOGIN_THROTTLED, user, "was refused for too many wrong ones, and is until the wait is over")
        raise TooManyCodes(block.until)
    with authentication.try_taken_back_on_error(name, address, throttle.CODES):
        factor = _use(user, "".join(code.split()).replace("-", "").upper())
        if factor is None:
            _record(Verb.FACTOR_FAILED, user, "was entered wrongly")
            return None
        authentication.count_success(name, address, throttle.CODES)
    return factor


@sensitive_variables()
def _use(user: AbstractBaseUser, code: str) -> SecondFactor | None:
    if len(code) == totp.DIGITS and code.isdigit() and code.isascii():
        try:
            return SecondFactor.TOTP if totp.use(user, code) else None
        except SealingError as error:
            raise CannotCheck from error
    if recovery.use(user, code):
        left = recovery.left(user)
        text = f"{user.get_username()} used a recovery code; {left or 'none'} {'is' if left == 1 else 'are'} left"
        log.record(Verb.RECOVERY_CODE_USED, text, actor=user, user=user, level=Level.WARNING)
        return SecondFactor.RECOVERY_CODE
    return None


def _record(verb: Verb, user: AbstractBaseUser, what: str) -> None:
    log.record(verb, f"A second factor of {user.get_username()} {what}", user=user, level=Level.WARNING)
