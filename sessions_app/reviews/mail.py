"""Mails about reviews: to reviewers when they are asked and when it is due, and to who is asked about an exception."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.people import letters
from sessions_app.reviews.models import AccessReview, ReviewException

REMIND_BEFORE = dt.timedelta(days=3)


def ask_reviewers(review: AccessReview, reviewers: Iterable[Any]) -> None:
    """Mail the reviewers once the transaction is committed that there are rights to decide about."""
    lines = [
        f"You review who may do what: “{review}” ({review.scope.get('words', '')}).",
        f"Decide about each right until {review.due_on.isoformat()}: keep it, or take it away with a reason.",
        "",
        address(review),
    ]
    _send_after_commit(review, reviewers, f"Access review: {review}", lines)


def tell_asked(exception: ReviewException) -> None:
    """Mail the person who is asked about an exception, once the transaction is committed."""
    lines = [
        "An auditor reviews the activity log and asks you about an entry:",
        "",
        exception.entry_message,
        "",
        f"{exception.added_by.get_username()} writes: {exception.note}",
        f"Answer here: {address(exception)}",
    ]
    if exception.asked is not None:
        _send_after_commit(exception.review, [exception.asked], "A question about the activity log", lines)


def remind_reviewers(today: dt.date | None = None) -> int:
    """Mail the reviewers of what is due in three days or overdue, once a day. Return how many reviews there were."""
    today = today or timezone.now().date()
    due = AccessReview.objects.open().filter(due_on__lte=today + REMIND_BEFORE).exclude(reminded_on=today)
    return sum(_remind(review, today) for review in list(due.order_by("pk")))


def _remind(review: AccessReview, today: dt.date) -> bool:
    """Remind of one review. Return False if another worker has done it."""
    with transaction.atomic():
        mine = AccessReview.objects.open().filter(pk=review.pk).exclude(reminded_on=today)
        if not mine.update(reminded_on=today):
            return False
        undecided = review.items.filter(decision="").count()
        left = f"{undecided:,} right{' is' if undecided == 1 else 's are'} not decided yet."
        waits = left if undecided else "Everything is decided; it waits to be committed."
        if review.due_on < today:
            subject, when = "overdue", f"It was due on {review.due_on.isoformat()}."
        else:
            subject, when = "due", f"It is due on {review.due_on.isoformat()}."
        lines = [f"The access review “{review}” waits for you. {when}", waits, "", address(review)]
        reviewers = review.reviewers.filter(is_active=True)
        _send_after_commit(review, reviewers, f"Access review {subject}: {review}", lines)
    return True


def address(thing: AccessReview | ReviewException) -> str:
    """Return the whole address of its page."""
    return f"{settings.SITE_URL}{thing.get_absolute_url()}"


def _send_after_commit(about: Any, people: Iterable[Any], subject: str, lines: list[str]) -> None:
    written = [letters.letter(person, subject, lines) for person in people if person.email]

    def send() -> None:
        if problem := letters.send(written, str(about)):
            text = f"E-mail about {about} could not be sent ({problem}); tell the people concerned yourself."
            log.record(Verb.MAIL_FAILED, text, target=about, level=Level.WARNING)

    if written:
        transaction.on_commit(send, robust=True)
