"""The mails: to a person about a login from a new device, to administrators about one that was not the person's.

A worker sends the first kind, so that no login waits for a mail server. Nobody gets it twice: it counts as sent before
it is. Where it could not be sent, the console shows the notice to the person instead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.logins.in_words import facts, name_of, place_of
from sessions_app.logins.models import LoginSession, NewDeviceNotice
from sessions_app.not_me.links import link_for
from sessions_app.people import letters
from sessions_app.people.personal import settings_by_person, zone_for_mail

AT_ONCE = 100  # notices in one pass
MOST_A_DAY = 10  # mails about new devices to one person: who knows a password must not fill a mailbox


def send_waiting() -> int:
    """Send the mails about new devices that wait. Return how many notices were dealt with.

    After one that could not be sent the others wait for the next look, because the mail server may be down.
    """
    waiting = NewDeviceNotice.objects.filter(mailed_at=None, is_shown=False).order_by("made_at")
    notices = list(waiting.select_related("login__user")[:AT_ONCE])
    chosen = settings_by_person(notice.login.user for notice in notices)
    for done, notice in enumerate(notices, 1):
        if not _send_one(notice, zone_for_mail(chosen.get(notice.login.user_id))):
            return done
    return len(notices)


def _send_one(notice: NewDeviceNotice, zone: dt.tzinfo) -> bool:
    """Send one mail, or show the notice instead. Return False if the mail could not be sent."""
    login, person = notice.login, notice.login.user
    mine = NewDeviceNotice.objects.filter(pk=notice.pk, mailed_at=None, is_shown=False)
    a_day_ago = timezone.now() - dt.timedelta(days=1)
    if not person.email or _mailed_since(person.pk, a_day_ago) >= MOST_A_DAY:
        mine.update(is_shown=True)
        return True
    if not mine.update(mailed_at=timezone.now()):
        return True  # another worker was faster
    subject = f"New login with {name_of(login)} from {place_of(login)}"
    if send([letters.letter(person, subject, _about_new_device(login, zone))], login):
        return True
    NewDeviceNotice.objects.filter(pk=notice.pk).update(mailed_at=None, is_shown=True)
    return False


def _mailed_since(user_id: int, moment: dt.datetime) -> int:
    return NewDeviceNotice.objects.filter(user_id=user_id, mailed_at__gte=moment).count()


def send(mails: Sequence[EmailMessage], login: LoginSession) -> bool:
    """Send the mails, outside of any transaction. Return False, after a log entry, if it failed."""
    problem = letters.send(mails, f"login session {login.pk}")
    if problem:
        log.record(
            Verb.MAIL_FAILED,
            f"E-mail about a login of {login.user_name} could not be sent ({problem})",
            user=login.user,
            target=login,
            level=Level.WARNING,
        )
    return not problem


def alert_administrators(login: LoginSession, how: str, done: Sequence[str]) -> int | None:
    """Tell every administrator with an address. Return how many there were; None if the mails could not be sent."""
    mails = letters.letters_to_administrators(
        f"{login.user_name}: this wasn't me",
        lambda zone: [
            f"{how}:",
            "",
            *facts(login, zone),
            "",
            "What was done:",
            *(f"- {line}" for line in done),
            "",
            f"The person: {settings.SITE_URL}{reverse('user', args=[login.user_id])}",
        ],
    )
    if not mails:
        return 0
    return len(mails) if send(mails, login) else None


def send_password_link(login: LoginSession) -> bool:
    """Send the person the link by which they set a new password. Return False if it could not be sent."""
    lines = [
        f"You said that a login as {login.user_name} was not yours. Your password no longer works.",
        "",
        "Open this link within 24 hours to set a new one. You need the old password for it:",
        link_for(login),
    ]
    return send([letters.letter(login.user, "Set a new password", lines)], login)


def _about_new_device(login: LoginSession, zone: dt.tzinfo) -> list[str]:
    return [
        f"Somebody logged in to {settings.SITE_URL} as {login.user_name},",
        "from a device that the console does not know:",
        "",
        *facts(login, zone),
        "",
        "If it was you, there is nothing to do. You get no other mail about this device.",
        "",
        "If it was not you, open this link within 24 hours and press “This wasn't me”. It logs you out everywhere,",
        "disables your password, locks your privileged sessions, and alerts the administrators:",
        link_for(login),
    ]
