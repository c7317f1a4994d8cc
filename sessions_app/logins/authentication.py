"""Authenticates a person by user name and password, and logs every failure.

A wrong password gets the same answer whether the account exists, is disabled, or belongs to an application. Only
somebody with the right password learns that an account is locked. service.py begins the login session.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Callable, Iterator

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from activity import log
from activity.models import Level, Outcome
from activity.verbs import Verb
from sessions_app.login_rules.models import SignInSettings
from sessions_app.login_rules.rules import Refusal, refusal_of
from sessions_app.logins import backend, initial_passwords, service, throttle
from sessions_app.people.models import AccountLock, Application

logger = logging.getLogger(__name__)
DENIED = Outcome.DENIED  # who it is was proved, and a rule refused it


class LoginRefused(Exception):
    """Nobody was logged in. The text can be shown to the person."""


class WrongCredentials(LoginRefused):
    """No account that can log in has this name and this password."""

    def __init__(self) -> None:
        super().__init__("The user name or the password is wrong. You are not logged in. Check both and try again.")


class AccountIsLocked(LoginRefused):
    """The password is right, but an administrator has locked the account."""

    def __init__(self, lock: AccountLock) -> None:
        reason = f"{lock.title}. {lock.message}".rstrip(". ")
        super().__init__(f"This account is locked: {reason}. You are not logged in. An administrator can unlock it.")


class NotAllowedByRule(LoginRefused):
    """The password is right, but a login rule does not allow this address or this time."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.text} You are not logged in.")


class TooManyTries(LoginRefused):
    """The account or the address has failed too often. The password was not checked.

    `until` is when the person can try again.
    """

    happened = "Too many failed logins. The password was not checked and you are not logged in."

    def __init__(self, until: dt.datetime) -> None:
        self.until = until
        super().__init__(f"{self.happened} Try again after {timezone.localtime(until):%H:%M:%S %Z}.")

    @property
    def seconds(self) -> int:
        """Return how many seconds are left to wait."""
        return max(1, round((self.until - timezone.now()).total_seconds()))


class PasswordLoginIsOff(LoginRefused):
    """The password is right, but only break-glass accounts log in with one."""

    def __init__(self) -> None:
        super().__init__(
            "Login with a password is switched off. You are not logged in. Use a button above instead; if none of them "
            "knows you, ask an administrator."
        )


class InitialPasswordIsOver(LoginRefused):
    """The password is right, and was chosen by an administrator too long ago."""

    def __init__(self) -> None:
        super().__init__(
            f"This password was good for {initial_passwords.GOOD_FOR.days} days, for a first login. You are not logged "
            "in. Ask an administrator for a new one."
        )


class ThrottleUnavailable(LoginRefused):
    """Failed logins cannot be counted at the moment.

    Nobody can log in then, because passwords could be guessed without a limit.
    """

    def __init__(self) -> None:
        super().__init__(
            "Logging in is not possible at the moment, because failed logins cannot be counted. The password was not "
            "checked and you are not logged in. Try again in a minute. If it lasts, tell an administrator."
        )


def authenticate_person(request: HttpRequest, user_name: str, password: str) -> AbstractBaseUser:
    """Return the person with this name and password.

    1. Count the try (logins/throttle.py). Raise TooManyTries if there were too many, and ThrottleUnavailable if it
    cannot be counted. The password is not checked then.

    2. Raise WrongCredentials for a wrong password. After the right one, raise AccountIsLocked for a locked account,
    NotAllowedByRule if a login rule does not let the person in from here now, PasswordLoginIsOff where only break-glass
    accounts log in with a password, and InitialPasswordIsOver for one that an administrator chose too long ago.

    3. Take the counted try back after a success, for the last two refusals, and after an error of the console, which is
    raised on.
    """
    address = service.request_ip(request)
    block = count_try(user_name, address)
    if block is not None:
        if block.is_news:  # one entry for each window, so that many tries do not make many entries
            _record(Verb.LOGIN_THROTTLED, user_name, "was refused for too many failures, and is until the wait is over")
        raise TooManyTries(block.until)
    with try_taken_back_on_error(user_name, address):
        user = authenticate(request, username=user_name, password=password)
        if user is None:
            here = backend.request_login.get()
            if here is not None and here.refused_by is not None:
                _record(
                    Verb.LOGIN_FAILED, user_name, "was refused: the password is right, the account is locked", DENIED
                )
                raise AccountIsLocked(here.refused_by)
            _record(Verb.LOGIN_FAILED, user_name, "failed")
            raise WrongCredentials
        if (refusal := refusal_of(user.pk, address)) is not None:
            _record(Verb.LOGIN_FAILED, user_name, f"was refused: the password is right. {refusal.text}", DENIED)
            raise NotAllowedByRule(refusal)
        count_success(user_name, address)
        if not SignInSettings.lets_in_by_password(user.pk):
            _record(
                Verb.LOGIN_FAILED, user_name, "was refused: the password is right, but no password is accepted", DENIED
            )
            raise PasswordLoginIsOff
        if initial_passwords.is_over(user.pk):
            _record(Verb.LOGIN_FAILED, user_name, "was refused: its initial password is right and too old", DENIED)
            raise InitialPasswordIsOver
    return user


def refuse_closed(user: AbstractBaseUser) -> None:
    """Refuse somebody who has proved who they are without a password, if the account may not log in.

    Raise AccountIsLocked, or LoginRefused for a disabled account and for an application.
    """
    lock = AccountLock.objects.in_force().filter(user_id=user.pk).first()
    if lock is not None:
        _record(Verb.LOGIN_FAILED, user.get_username(), "was refused: the account is locked", DENIED)
        raise AccountIsLocked(lock)
    if not user.is_active or Application.objects.filter(principal=user.pk).exists():
        _record(Verb.LOGIN_FAILED, user.get_username(), "was refused: the account is disabled", DENIED)
        raise LoginRefused("This account is disabled. You are not logged in. An administrator can enable it.")


def refuse_passkey(user: AbstractBaseUser) -> None:
    """Refuse a passkey of the console where only a provider and break-glass accounts log in. Raise LoginRefused."""
    if not SignInSettings.lets_in_by_password(user.pk):
        _record(
            Verb.LOGIN_FAILED, user.get_username(), "was refused: its passkey is right, but none is accepted", DENIED
        )
        raise LoginRefused(
            "Login with a passkey of the console is switched off, as with a password. You are not logged in. "
            "Use a provider instead."
        )


def confirm(
    request: HttpRequest,
    user: AbstractBaseUser,
    password: str,
    purpose: str,
    *,
    check: Callable[[str], bool] | None = None,
) -> bool:
    """Return whether `password` belongs to `user`, or is what `check` says.

    `purpose` says in the log what it was asked for.

    A wrong password counts as a failed login, so that nobody can try passwords on an open page. Raise TooManyTries or
    ThrottleUnavailable without checking the password, as authenticate_person() does.
    """
    user_name, address = user.get_username(), service.request_ip(request)
    block = count_try(user_name, address)
    if block is not None:
        if block.is_news:
            _record(Verb.LOGIN_THROTTLED, user_name, f"or its password {purpose} was refused for too many failures")
        raise TooManyTries(block.until)
    with try_taken_back_on_error(user_name, address):
        if not (check or user.check_password)(password):
            _record(Verb.LOGIN_FAILED, user_name, f"was not asked for: its password was entered wrongly {purpose}")
            return False
        count_success(user_name, address)
    return True


@contextlib.contextmanager
def try_taken_back_on_error(user_name: str, address: str, kind: str = throttle.PASSWORDS) -> Iterator[None]:
    """Take the counted try back if this block raises an error of the console.

    The person is not told about a wrong password whose log entry could not be written, so nobody learns anything by
    such an error.
    """
    try:
        yield
    except LoginRefused:
        raise
    except BaseException:
        throttle.count_broken(user_name, address, kind)
        raise


def count_try(user_name: str, address: str, kind: str = throttle.PASSWORDS) -> throttle.LoginBlock | None:
    """Count one try by throttle.py. Raise ThrottleUnavailable if it cannot be counted."""
    try:
        return throttle.count_try(user_name, address, kind)
    except throttle.CannotCount as error:
        logger.exception("Nobody can log in: the cache (CACHE_URL) does not answer")
        raise ThrottleUnavailable from error


def count_success(user_name: str, address: str, kind: str = throttle.PASSWORDS) -> None:
    """Take the try back by throttle.py, unless the cache does not answer."""
    try:
        throttle.count_success(user_name, address, kind)
    except throttle.CannotCount:  # one try stays counted
        logger.exception("A login that succeeded stays counted: the cache (CACHE_URL) does not answer")


def _record(verb: Verb, user_name: str, what: str, outcome: Outcome | None = None) -> None:
    """Log a failed login.

    The name is logged only if there is such an account, because people type passwords there by mistake.
    """
    account = get_user_model()._default_manager.filter(username=user_name).first()
    name = account.get_username() if account is not None else "an unknown account"
    log.record(verb, f"A login as {name} {what}", user=account, level=Level.WARNING, outcome=outcome)
