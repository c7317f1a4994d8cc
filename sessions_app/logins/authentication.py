"""Lets a person in by user name and password, or says why not; every failure is logged.

The answer to a stranger is the same whether or not the account exists, is disabled, or is an application's. Only who
has the right password learns that an account is locked. Beginning the login session is recorder.py's part.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Iterator

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.logins import backend, service, throttle
from sessions_app.people.models import AccountLock

logger = logging.getLogger(__name__)


class NotLetIn(Exception):
    """Nobody was logged in. The text is fit for the person at the door."""


class WrongCredentials(NotLetIn):
    """No account that can log in has this name and this password."""

    def __init__(self) -> None:
        super().__init__("User name and password do not fit. You are not logged in. Check both and try again.")


class AccountIsLocked(NotLetIn):
    """The password is right, and an administrator locked the account."""

    def __init__(self, lock: AccountLock) -> None:
        said = f"{lock.title}. {lock.message}".rstrip(". ")
        super().__init__(f"This account is locked: {said}. You are not logged in. Ask an administrator to unlock it.")


class TooManyTries(NotLetIn):
    """The account or the address failed too often; the password was not looked at. `until` is when to try again."""

    def __init__(self, until: dt.datetime) -> None:
        self.until = until
        super().__init__(
            "Too many failed logins. The password was not checked and you are not logged in. "
            f"Try again after {timezone.localtime(until):%H:%M:%S %Z}."
        )

    @property
    def seconds(self) -> int:
        """How long to wait from now on."""
        return max(1, round((self.until - timezone.now()).total_seconds()))


class NotCounted(NotLetIn):
    """Failed logins cannot be counted at the moment; uncounted, passwords could be guessed without an end."""

    def __init__(self) -> None:
        super().__init__(
            "Logging in is not possible at the moment, because failed logins cannot be counted. The password was not "
            "checked and you are not logged in. Try again in a minute. If it lasts, tell an administrator."
        )


def let_in(request: HttpRequest, user_name: str, password: str) -> AbstractBaseUser:
    """The person with this name and password.

    1. Count the try (logins/throttle.py); too many raise TooManyTries, one that cannot be counted NotCounted, and the
       password is not looked at.
    2. A wrong password raises WrongCredentials, the right one of a locked account AccountIsLocked.
    3. A success takes the counted try back, and so does an error of ours, which goes on.
    """
    address = service.request_ip(request)
    wait = _count_try(user_name, address)
    if wait is not None:
        if wait.is_news:  # once a window: a flood of tries must not become a flood of entries
            _record(Verb.LOGIN_THROTTLED, user_name, "was refused for too many failures, and is until the wait is over")
        raise TooManyTries(wait.until)
    with _taken_back_if_it_breaks(user_name, address):
        user = authenticate(request, username=user_name, password=password)
        if user is None:
            here = backend.carried.get()
            if here is not None and here.refused_by is not None:
                _record(Verb.LOGIN_FAILED, user_name, "was refused: the password is right, the account is locked")
                raise AccountIsLocked(here.refused_by)
            _record(Verb.LOGIN_FAILED, user_name, "failed")
            raise WrongCredentials
        _count_success(user_name, address)
    return user


def confirm(request: HttpRequest, user: AbstractBaseUser, password: str) -> bool:
    """Whether `password` is the one of `user`, who is logged in. A wrong one counts as a failed login, so that who
    finds an open page cannot try passwords on it; too many raise TooManyTries, one that cannot be counted NotCounted,
    and the password is not looked at."""
    user_name, address = user.get_username(), service.request_ip(request)
    wait = _count_try(user_name, address)
    if wait is not None:
        if wait.is_news:
            _record(Verb.LOGIN_THROTTLED, user_name, "or a change of its password was refused for too many failures")
        raise TooManyTries(wait.until)
    with _taken_back_if_it_breaks(user_name, address):
        if not user.check_password(password):
            _record(Verb.LOGIN_FAILED, user_name, "was not asked for: its password was entered wrongly to change it")
            return False
        _count_success(user_name, address)
    return True


@contextlib.contextmanager
def _taken_back_if_it_breaks(user_name: str, address: str) -> Iterator[None]:
    """Let nobody wait for what broke here. A wrong password whose log entry cannot be written is not told, so that
    nothing was learnt by it either."""
    try:
        yield
    except NotLetIn:
        raise
    except BaseException:
        throttle.count_broken(user_name, address)
        raise


def _count_try(user_name: str, address: str) -> throttle.Wait | None:
    try:
        return throttle.count_try(user_name, address)
    except throttle.CannotCount as error:
        logger.exception("Nobody can log in: the cache (CACHE_URL) does not answer")
        raise NotCounted from error


def _count_success(user_name: str, address: str) -> None:
    try:
        throttle.count_success(user_name, address)
    except throttle.CannotCount:  # what stays counted is one try
        logger.exception("A login that succeeded stays counted: the cache (CACHE_URL) does not answer")


def _record(verb: Verb, user_name: str, what: str) -> None:
    """Names the account only if there is one: people type passwords into the field for the name."""
    account = get_user_model()._default_manager.filter(username=user_name).first()
    name = account.get_username() if account is not None else "an unknown account"
    log.record(verb, f"A login as {name} {what}", user=account, level=Level.WARNING)
