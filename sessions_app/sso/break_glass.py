"""Accounts for the day on which single sign-on does not work. Each login with one is an alert, in the log and by mail.

A worker sends the mail, so that no login waits for a mail server on such a day.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.login_rules.models import SignInSettings
from sessions_app.logins import backend
from sessions_app.logins.in_words import facts
from sessions_app.logins.models import LoginSession
from sessions_app.people import letters
from sessions_app.sso.models import BreakGlassUse

AT_ONCE = 50  # uses in one pass


def alert(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Write the alert if a break-glass account has just logged in."""
    here = backend.request_login.get()
    login = here.login if here is not None else None
    if login is None or login.user_id != user.pk or not SignInSettings.is_break_glass(user.pk):
        return
    log.record(
        Verb.BREAK_GLASS_USED,
        f"The break-glass account {login.user_name} logged in from {login.city} ({login.ip or 'unknown address'})",
        actor=user,
        target=login,
        level=Level.ERROR,
    )
    BreakGlassUse.objects.create(login=login)


def send_waiting() -> int:
    """Mail the administrators about each login with a break-glass account, once. Return how many there were."""
    uses = list(BreakGlassUse.objects.filter(mailed_at=None).select_related("login__user").order_by("pk")[:AT_ONCE])
    for use in uses:
        mine = BreakGlassUse.objects.filter(pk=use.pk, mailed_at=None)
        if mine.update(mailed_at=timezone.now()):  # before it is sent, so that two workers do not send it twice
            _send(use.login)
    return len(uses)


def _send(login: LoginSession) -> None:
    mails = letters.letters_to_administrators(
        f"Break-glass account {login.user_name} was used",
        lambda zone: [
            f"Somebody logged in as {login.user_name}, an account that is kept for emergencies:",
            "",
            *facts(login, zone),
            "",
            "If nobody of you did that, cut everything of the account:",
            f"{settings.SITE_URL}{reverse('user', args=[login.user_id])}",
        ],
    )
    if problem := letters.send(mails, f"the break-glass account {login.user_name}"):
        text = f"E-mail about the break-glass account {login.user_name} could not be sent ({problem})"
        log.record(Verb.MAIL_FAILED, text, user=login.user, target=login, level=Level.WARNING)
