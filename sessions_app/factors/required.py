"""Who must have a second factor, and what happens at a login without one.

The settings of sign-in say who needs one, and a rule for a single person comes first. A person without one logs in a
few times more, which are counted; after that the login opens nothing but the pages to set one up
(required_first_middleware.py).
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db.models import F

from sessions_app.factors.models import FactorRule
from sessions_app.factors.stage import has_factor
from sessions_app.login_rules.models import RequiredFor, SignInSettings
from sessions_app.people.models import Application
from sessions_app.roles import sees_everything


def is_required(user: AbstractUser, settings: SignInSettings | None = None) -> bool:
    """Return whether this person must have a second factor. Applications, which never log in, need none."""
    rule = FactorRule.objects.filter(user_id=user.pk).first()
    if Application.objects.filter(principal=user.pk).exists():
        return False
    if rule is not None and rule.is_required is not None:
        return rule.is_required
    who = (settings or SignInSettings.current()).second_factor
    return who == RequiredFor.EVERYBODY or (who == RequiredFor.STAFF and sees_everything(user))


def must_enrol_now(user: AbstractUser) -> bool:
    """Return whether the person may do nothing before setting up a second factor, whichever way they come."""
    settings = SignInSettings.current()
    if has_factor(user) or not is_required(user, settings):
        return False
    rule = FactorRule.objects.filter(user_id=user.pk).first()
    return (rule.grace_used if rule is not None else 0) >= settings.grace_logins


def count_login(user: AbstractUser) -> int | None:
    """Count a login without the second factor that is required. Return how many more there are; None if it was none.

    Of several logins at the same moment each is counted.
    """
    grace = SignInSettings.current().grace_logins
    FactorRule.objects.get_or_create(user_id=user.pk)
    mine = FactorRule.objects.filter(user_id=user.pk)
    if not mine.filter(grace_used__lt=grace).update(grace_used=F("grace_used") + 1):
        return None
    return max(0, grace - mine.values_list("grace_used", flat=True).get())


def end_grace(user: AbstractUser) -> None:
    """Let the person log in to nothing but the set-up, if a second factor is required."""
    FactorRule.objects.update_or_create(user_id=user.pk, defaults={"grace_used": FactorRule.NO_GRACE})
