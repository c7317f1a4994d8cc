"""Mails to one person about the own account."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.core.mail import EmailMessage, get_connection
from django.db import transaction

from activity import log
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb

logger = logging.getLogger(__name__)


def write_after_commit(person: AbstractUser, subject: str, lines: Sequence[str]) -> bool:
    """Mail the person once the transaction is committed. Return False if there is no address.

    A mail that cannot be sent gets an entry in the log, and changes nothing else.
    """
    if not person.email:
        return False
    letter = EmailMessage(plain(f"[SessionAdmin] {subject}", 200), "\n".join([*lines, ""]), to=[person.email])
    transaction.on_commit(lambda: _send(person, letter), robust=True)
    return True


def _send(person: AbstractUser, letter: EmailMessage) -> None:
    try:
        get_connection().send_messages([letter])
    except (OSError, ValueError) as error:  # SMTP errors are OSErrors; a wrong address is a ValueError
        logger.exception("E-mail to account %s was not sent", person.pk)
        text = f"E-mail to {person.get_username()} about their account could not be sent ({type(error).__name__})"
        log.record(Verb.MAIL_FAILED, text, user=person, level=Level.WARNING)
