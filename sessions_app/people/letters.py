"""Mails to people: how one is written, and sent."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence

from django.contrib.auth.models import AbstractUser
from django.core.mail import EmailMessage, get_connection
from django.db import transaction

from activity import log
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb
from sessions_app.people.administrators import administrators
from sessions_app.people.personal import settings_by_person, zone_for_mail

logger = logging.getLogger(__name__)


def letter(person: AbstractUser, subject: str, lines: Sequence[str]) -> EmailMessage:
    """Return a mail to somebody who has an address."""
    return EmailMessage(plain(f"[SessionAdmin] {subject}", 200), "\n".join([*lines, ""]), to=[person.email])


def letters_to_administrators(subject: str, lines: Callable[[dt.tzinfo], Sequence[str]]) -> list[EmailMessage]:
    """Return a mail to each administrator with an address. `lines` gets the time zone of the one who reads them."""
    people = [person for person in administrators() if person.email]
    chosen = settings_by_person(people)
    return [letter(person, subject, lines(zone_for_mail(chosen.get(person.pk)))) for person in people]


def send(letters: Sequence[EmailMessage], about: str) -> str:
    """Send the mails, outside of any transaction. Return the name of the error, or "" if there was none.

    The log of the process has the whole error, with `about`, which says what the mails were about.
    """
    try:
        get_connection().send_messages(letters)
    except (OSError, ValueError) as error:  # SMTP errors are OSErrors; a wrong address is a ValueError
        logger.exception("E-mail about %s was not sent", about)
        return type(error).__name__
    return ""


def write_after_commit(person: AbstractUser, subject: str, lines: Sequence[str]) -> bool:
    """Mail the person once the transaction is committed. Return False if there is no address.

    A mail that cannot be sent gets an entry in the log, and changes nothing else.
    """
    if not person.email:
        return False
    written = letter(person, subject, lines)
    transaction.on_commit(lambda: _send_about_account(person, written), robust=True)
    return True


def _send_about_account(person: AbstractUser, written: EmailMessage) -> None:
    if problem := send([written], f"account {person.pk}"):
        text = f"E-mail to {person.get_username()} about their account could not be sent ({problem})"
        log.record(Verb.MAIL_FAILED, text, user=person, level=Level.WARNING)
