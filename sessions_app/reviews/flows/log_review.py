"""Begin a review of the log, add exceptions and answer them, and sign the period off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Min
from django.http import QueryDict
from django.utils import timezone

from activity import log
from activity.models import Level, LogEntry
from activity.text import plain
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app.errors import Forbidden, Refused
from sessions_app.permission import clean_text
from sessions_app.reviews.export import exceptions_of_review
from sessions_app.reviews.mail import tell_asked
from sessions_app.reviews.models import LogReview, ReviewException
from sessions_app.reviews.statement import digest, signed, written
from sessions_app.reviews.what_was_looked_at import looked_at
from sessions_app.roles import is_administrator, sees_everything

LONGEST_NOTE, LONGEST_ANSWER = 500, 1000
SIGNED = "The review is signed; its exceptions stay as they are."


def is_auditor(person: AbstractUser) -> bool:
    """Return whether the person reads everything and administers nothing."""
    return sees_everything(person) and not is_administrator(person)


def require_auditor(actor: AbstractUser) -> None:
    """Raise Forbidden unless `actor` is an auditor: who administers the console does not sign off its log."""
    if not is_auditor(actor):
        raise Forbidden("Only auditors review the log.")


def begin_log_review(
    actor: AbstractUser, *, since: dt.datetime, until: dt.datetime, filters: str = "", words: str = "", note: str = ""
) -> LogReview:
    """Begin to review the entries from `since` until just before `until`. Raise Refused."""
    require_auditor(actor)
    if until <= since:
        raise Refused("The end must be later than the beginning.", field="until")
    if until > timezone.now():
        raise Refused("The period has not ended yet. Nobody signs off what is still to come.", field="until")
    with transaction.atomic():
        review = LogReview.objects.create(
            since=since,
            until=until,
            filters=filters,
            filter_words=plain(words, 1000),
            note=clean_text(note, "note", 1000),
            begun_by_id=actor.pk,
        )
        _record(Verb.LOG_REVIEW_BEGUN, f"began to review the log {period(review)}", actor, review)
    return review


def discard_log_review(actor: AbstractUser, review: LogReview) -> None:
    """Delete a review that is not signed, with its exceptions."""
    require_auditor(actor)
    with transaction.atomic():
        locked = _lock_unsigned(review)
        _record(Verb.LOG_REVIEW_DISCARDED, f"discarded the review of the log {period(locked)}", actor, locked)
        locked.delete()


def add_exception(
    actor: AbstractUser, review: LogReview, entry_id: int, note: str, asked: AbstractUser | None = None
) -> ReviewException:
    """Take exception to an entry of the period. `asked` answers; without one the administrators do. Raise Refused."""
    require_auditor(actor)
    note = clean_text(
        note, "note", LONGEST_NOTE, required="Say what is wrong with the entry, or what is to be answered."
    )
    entry = LogEntry.objects.filter(pk=entry_id).first()
    if entry is None:
        raise Refused(f"The log has no entry {entry_id}.", field="entry")
    if not review.since <= entry.at < review.until:
        raise Refused(f"Entry {entry_id} is not in the period of this review.", field="entry")
    try:
        with transaction.atomic():
            locked = _lock_unsigned(review)
            people: dict[str, Any] = {"added_by": actor, "asked": asked}
            exception = ReviewException.objects.create(
                review=locked,
                entry_id=entry.pk,
                entry_at=entry.at,
                entry_message=entry.message,
                note=note,
                **people,
            )
            _record(Verb.REVIEW_EXCEPTION_ADDED, f"took exception to entry {entry.pk}: {note}", actor, exception)
            tell_asked(exception)
    except IntegrityError as problem:
        raise Refused(f"Entry {entry_id} is an exception of this review already.", field="entry") from problem
    return exception


def remove_exception(actor: AbstractUser, exception: ReviewException) -> None:
    """Remove an exception from a review that is not signed."""
    require_auditor(actor)
    with transaction.atomic():
        _lock_unsigned(exception.review)
        said = f"no longer takes exception to entry {exception.entry_id}"
        _record(Verb.REVIEW_EXCEPTION_REMOVED, said, actor, exception)
        ReviewException.objects.filter(pk=exception.pk).delete()


def why_not_answer(actor: AbstractUser, exception: ReviewException) -> str:
    """Return why this person cannot answer the exception; an empty string if they can."""
    if exception.closed_at is not None:
        return "The exception is closed."
    if actor.pk == exception.asked_id or is_administrator(actor):
        return ""
    return "Only administrators and the person who is asked answer it."


def answer_exception(actor: AbstractUser, exception: ReviewException, answer: str) -> None:
    """Answer an exception; a later answer takes the place of an earlier one.

    Raise Refused if it is closed, and Forbidden for who is not asked.
    """
    answer = clean_text(answer, "answer", LONGEST_ANSWER, required="Write the answer.")
    with transaction.atomic():
        locked = _lock_exception(exception)
        if why := why_not_answer(actor, locked):
            raise (Refused if locked.closed_at is not None else Forbidden)(why)
        locked.answer, locked.answered_by_id, locked.answered_at = answer, actor.pk, timezone.now()
        locked.save(update_fields=["answer", "answered_by", "answered_at"])
        said = f"answered the exception to entry {locked.entry_id}: {answer}"
        _record(Verb.REVIEW_EXCEPTION_ANSWERED, said, actor, locked)


def close_exception(actor: AbstractUser, exception: ReviewException) -> None:
    """Close an exception: the auditors are content with it. Raise Refused if it is closed already."""
    require_auditor(actor)
    with transaction.atomic():
        locked = _lock_exception(exception)
        if locked.closed_at is not None:
            raise Refused("The exception is closed already.")
        locked.closed_by_id, locked.closed_at = actor.pk, timezone.now()
        locked.save(update_fields=["closed_by", "closed_at"])
        said = f"closed the exception to entry {locked.entry_id}"
        _record(Verb.REVIEW_EXCEPTION_CLOSED, said, actor, locked)


def overlapping(review: LogReview) -> list[LogReview]:
    """Return the signed reviews that have a part of the same period."""
    found = LogReview.objects.filter(since__lt=review.until, until__gt=review.since).exclude(signed_at=None)
    return list(found.exclude(pk=review.pk).select_related("signed_by").order_by("since", "pk"))


def sign_off(actor: AbstractUser, review: LogReview, *, agreed: Collection[int], exceptions: int) -> LogReview:
    """Sign the period off as reviewed, with the exceptions. Return the review as it is then.

    `agreed` holds the numbers of the reviews that it may overlap with, and `exceptions` is how many the person has
    seen. Raise Refused if either is different now.
    """
    require_auditor(actor)
    with transaction.atomic():
        # Each overlapping review is locked, signed or not, so that no two that overlap are signed at the same time.
        period_rows = LogReview.objects.filter(since__lt=review.until, until__gt=review.since)
        list(period_rows.select_for_update(of=("self",)).order_by("pk"))
        locked = _lock_unsigned(review)
        others = overlapping(locked)
        if {one.pk for one in others} != set(agreed):
            names = ", ".join(f"{one.pk} of {one.signed_by}" for one in others) or "none"
            raise Refused(f"Look at the overlapping reviews again ({names}). Nothing was signed.", field="agreed")
        if locked.exceptions.count() != exceptions:
            raise Refused("The exceptions have changed since you looked. Look at them again. Nothing was signed.")
        _sign(actor, locked, others)
        said = f"signed off the log {period(locked)}: {locked.entries:,} entries"
        with_them = f", with {exceptions} exception{'' if exceptions == 1 else 's'}" if exceptions else ""
        _record(Verb.LOG_REVIEW_SIGNED, f"{said}{with_them}", actor, locked, {"statement": locked.statement})
    return locked


def _sign(actor: AbstractUser, review: LogReview, others: list[LogReview]) -> None:
    """Fix what was reviewed, and sign it."""
    entries = LogEntry.objects.filter(at__gte=review.since, at__lt=review.until)
    found = entries.aggregate(count=Count("pk"), first=Min("pk"), last=Max("pk"))
    review.entries, review.first_entry, review.last_entry = found["count"], found["first"], found["last"]
    review.looked_at = looked_at(actor, QueryDict(review.filters), entries) if review.filters else found["count"]
    review.signed_by_id, review.signed_at = actor.pk, timezone.now()
    rows = exceptions_of_review(review)
    facts: list[tuple[str, object]] = [
        ("number", review.pk),
        ("period from", review.since),
        ("period until just before", review.until),
        ("looked at", review.filter_words or "every entry"),
        ("entries looked at", review.looked_at),
        ("entries in the period", review.entries),
        ("first entry", review.first_entry),
        ("last entry", review.last_entry),
        ("exceptions", len(rows)),
        ("SHA-256 of the exceptions", digest(rows)),
        ("overlaps with reviews", ", ".join(str(one.pk) for one in others)),
        ("note", review.note),
        ("reviewed by", actor.get_username()),
        ("reviewed at", review.signed_at),
    ]
    review.statement = written("SessionAdmin review of the activity log", facts)
    review.signed_note = signed(review.statement)
    review.save()


def _lock_unsigned(review: LogReview) -> LogReview:
    locked = LogReview.objects.select_for_update(of=("self",)).filter(pk=review.pk).first()
    if locked is None:
        raise Refused("The review was discarded meanwhile.")
    if locked.signed_at is not None:
        raise Refused(SIGNED)
    return locked


def _lock_exception(exception: ReviewException) -> ReviewException:
    locked = ReviewException.objects.select_for_update(no_key=True, of=("self",)).filter(pk=exception.pk).first()
    if locked is None:
        raise Refused("The exception was removed meanwhile.")
    return locked


def period(review: LogReview) -> str:
    """Return the period for a message of the log, which shows each reader the times in their own zone."""
    return f"from {time_value(review.since)} to {time_value(review.until)}"


def _record(verb: Verb, said: str, actor: AbstractUser, target: Any, details: dict[str, Any] | None = None) -> None:
    log.record(verb, f"{actor.get_username()} {said}", actor=actor, target=target, level=Level.INFO, details=details)
