"""Disables accounts that nobody has used for as many days as the settings of sign-in say.

A use is a login, a request of a live login, or a connection through the gateway. Break-glass accounts are never
disabled, nor is the last active administrator, because nobody could enable accounts any more.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.gateway.models import GatewayConnection
from sessions_app.hosts.models import UserKey
from sessions_app.login_rules.models import ReenabledAccount, SignInSettings
from sessions_app.logins.models import LoginSession
from sessions_app.people.administrators import administrators
from sessions_app.privileged.flows.disable import disable_account

MOST_AT_ONCE = 500  # accounts; the next look takes the rest


def disable_idle_accounts(now: dt.datetime | None = None) -> int:
    """Disable every account that is idle. Return how many were disabled."""
    days = SignInSettings.current().idle_days
    if days is None:
        return 0
    cutoff = (now or timezone.now()) - dt.timedelta(days=days)
    # The longest unused come first, so that the last administrator who is left is the one who was there last.
    found = idle_accounts(cutoff).order_by(F("last_login").asc(nulls_first=True), "pk").values_list("pk", flat=True)
    return sum(_disable(pk, cutoff, days) for pk in list(found[:MOST_AT_ONCE]))


def idle_accounts(cutoff: dt.datetime) -> QuerySet[Any]:
    """Return the active accounts of people that nobody has used since then."""
    break_glass = SignInSettings.break_glass_accounts.through._default_manager.filter(user=OuterRef("pk"))
    used = (
        LoginSession.objects.filter(user=OuterRef("pk"), last_access_at__gte=cutoff),
        UserKey.objects.filter(user=OuterRef("pk"), last_used_at__gte=cutoff),
        GatewayConnection.objects.open().filter(session__user=OuterRef("pk")),
        ReenabledAccount.objects.filter(user=OuterRef("pk"), enabled_at__gte=cutoff),
        break_glass,
    )
    accounts = get_user_model()._default_manager.filter(
        Q(last_login=None) | Q(last_login__lt=cutoff), is_active=True, application=None, date_joined__lt=cutoff
    )
    return accounts.filter(*(~Exists(each) for each in used))


def _disable(pk: int, cutoff: dt.datetime, days: int) -> bool:
    """Disable an account unless it was used meanwhile. Return whether it was disabled."""
    with transaction.atomic():
        accounts = get_user_model()._default_manager.order_by("pk").select_for_update(no_key=True, of=("self",))
        list(accounts.filter(pk__in=[pk, *(each.pk for each in administrators())]))  # two workers leave one of them
        account = idle_accounts(cutoff).select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
        if account is None or [each.pk for each in administrators()] == [pk]:
            return False
        disable_account(account, why=f"nobody has used it for {days} days")
        log.record(
            Verb.ACCOUNT_IDLE,
            f"{account.get_username()} was disabled, because nobody has used the account for {days} days",
            user=account,
            target=account,
            level=Level.WARNING,
            details={"days": days},
        )
    return True
