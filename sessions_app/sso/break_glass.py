"""Accounts for the day on which single sign-on does not work. Each login with one is an alert, in the log and by mail.

A worker sends the mail, so that no login waits for a mail server on such a day.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.mail import EmailMessage, get_connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb
from sessions_app.login_rules.models import SignInSettings
from sessions_app.logins import backend
from sessions_app.logins.models import LoginSession
from sessions_app.people.administrators import administrators
from sessions_app.people.personal import settings_by_person, zone_for_mail
from sessions_app.sso.models import BreakGlassUse

logger = logging.getLogger(__name__)
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
    people = [person for person in administrators() if person.email]
    chosen = settings_by_person(people)
    letters = []
    for person in people:
        zone = zone_for_mail(chosen.get(person.pk))
        lines = [
            f"Somebody logged in as {login.user_name}, an account that is kept for emergencies:",
            "",
            f"Time:    {login.created_at.astimezone(zone):%Y-%m-%d %H:%M %Z}",
            f"Place:   {login.city} ({login.ip or 'unknown address'})",
            f"Browser: {login.browser or 'unknown'} on {login.os or 'an unknown system'}",
            "",
            "If nobody of you did that, cut everything of the account:",
            f"{settings.SITE_URL}{reverse('user', args=[login.user_id])}",
            "",
        ]
        subject = plain(f"[SessionAdmin] Break-glass account {login.user_name} was used", 200)
        letters.append(EmailMessage(subject, "\n".join(lines), to=[person.email]))
    try:
        get_connection().send_messages(letters)
    except (OSError, ValueError) as error:  # SMTP errors are OSErrors; a wrong address is a ValueError
        logger.exception("E-mail about the break-glass account %s was not sent", login.user_name)
        text = f"E-mail about the break-glass account {login.user_name} could not be sent ({type(error).__name__})"
        log.record(Verb.MAIL_FAILED, text, user=login.user, target=login, level=Level.WARNING)
