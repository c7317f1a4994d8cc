"""Passwords that somebody else chose: good for a week, and changed at the first login (OWASP ASVS 5, 6.4.1).

Those of break-glass accounts stay as they are: they lie in a safe until the day on which nothing else works.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from sessions_app.login_rules.models import SignInSettings
from sessions_app.logins.models import LoginSession, Method
from sessions_app.people.models import InitialPassword

GOOD_FOR = dt.timedelta(days=7)
MUST_CHANGE = "must_change_password"  # the key of the session; factors/required_first_middleware.py asks for it


def note(user: Any, chosen_by: AbstractBaseUser | None) -> None:
    """Note who chose the new password of an account: somebody else, or its owner (or somebody on the server: None)."""
    if chosen_by is not None and chosen_by.pk != user.pk and is_password_usable(user.password):
        InitialPassword.objects.update_or_create(user_id=user.pk, defaults={"set_at": timezone.now()})
    else:
        InitialPassword.objects.filter(user_id=user.pk).delete()


def is_over(user_id: int) -> bool:
    """Return whether the password of this account is an initial one that was not used in time."""
    found = _initial(user_id)
    return found is not None and found.set_at < timezone.now() - GOOD_FOR


def count_from_now(user_ids: Iterable[int]) -> None:
    """Let the initial passwords of accounts that were break-glass accounts be good for a week from now on."""
    InitialPassword.objects.filter(user_id__in=user_ids).update(set_at=timezone.now())


def begin(request: HttpRequest, login: LoginSession) -> None:
    """Keep in the session of a login that its password has to be changed first, if it is an initial one."""
    if login.signed_in_with == Method.PASSWORD and _initial(login.user_id) is not None:
        request.session[MUST_CHANGE] = True


def must_be_changed(request: HttpRequest) -> bool:
    return bool(request.session.get(MUST_CHANGE))


def was_changed(request: HttpRequest) -> None:
    """Open the console to a login whose password has been changed."""
    request.session.pop(MUST_CHANGE, None)


def _initial(user_id: int) -> InitialPassword | None:
    found = InitialPassword.objects.filter(user_id=user_id).first()
    return None if found is None or SignInSettings.is_break_glass(user_id) else found
