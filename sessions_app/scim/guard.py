"""What an identity provider may not do: superusers, break-glass accounts and the last administrator are out of reach.

A refusal is told to the identity provider in words and written into the log, so that somebody sees it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.db.models import Q

from sessions_app.errors import Forbidden
from sessions_app.login_rules.models import SignInSettings
from sessions_app.roles import ADMINISTER, ADMINISTRATORS


def require_reachable(account: AbstractUser) -> None:
    """Raise Forbidden for an account that no identity provider may change."""
    if account.is_superuser:
        raise Forbidden(f"{account.get_username()} is a superuser. Only superusers change superusers.")
    if SignInSettings.is_break_glass(account.pk):
        raise Forbidden(f"{account.get_username()} is an account for emergencies. Only administrators change it.")


def require_reachable_members(keys: set[int]) -> None:
    """Raise Forbidden if one of these people may not be put into groups or taken out by an identity provider."""
    out_of_reach = Q(is_superuser=True) | Q(pk__in=SignInSettings.break_glass_accounts.through.objects.values("user"))
    found = get_user_model().objects.filter(out_of_reach, pk__in=keys)
    names = sorted(found.values_list("username", flat=True))
    if names:
        raise Forbidden(
            f"Only people change the groups of superusers and of accounts for emergencies: {', '.join(names)}."
        )


@contextlib.contextmanager
def keeping_an_administrator() -> Iterator[None]:
    """Raise Forbidden if the block takes away the last administrator who can log in.

    To be used in the transaction of the change. The row of the group is locked, so that two changes at the same time
    cannot take away the last two.
    """
    Group.objects.select_for_update(no_key=True).get(name=ADMINISTRATORS)
    had_one = _has_administrator()
    yield
    if had_one and not _has_administrator():
        raise Forbidden("The console would have no administrator any more. Make another one first.")


def _has_administrator() -> bool:
    return get_user_model().objects.with_perm(ADMINISTER).filter(application=None).exists()
