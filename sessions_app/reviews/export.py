"""Reviews as files: JSON with everything that the signed statement stands for, to be checked without the console."""

from __future__ import annotations

from typing import Any

from sessions_app.reviews.models import AccessReview, LogReview
from sessions_app.reviews.statement import digest, in_utc

HOW_TO_CHECK = (
    "“statement” is what was signed. Its SHA-256 is that of the value of “{part}” as canonical JSON (RFC 8785). "
    "“signed_note” is the statement with its signatures (C2SP signed-note); it is empty where there was no key."
)


def log_review_file(review: LogReview) -> dict[str, Any]:
    """Return a review of the log with its exceptions and their answers."""
    return {
        "kind": "log review",
        "about": HOW_TO_CHECK.format(part="exceptions"),
        "number": review.pk,
        "from": in_utc(review.since),
        "to": in_utc(review.until),
        "looked_at": review.filter_words or "every entry",
        "filters": review.filters,
        "note": review.note,
        "signed_by": review.signed_by.get_username() if review.signed_by else None,
        "signed_at": in_utc(review.signed_at),
        "exceptions": exceptions_of_review(review),
        "answers": [
            {
                "entry": each.entry_id,
                "answer": each.answer,
                "answered_by": each.answered_by.get_username() if each.answered_by else None,
                "answered_at": in_utc(each.answered_at),
                "closed_by": each.closed_by.get_username() if each.closed_by else None,
                "closed_at": in_utc(each.closed_at),
            }
            for each in review.exceptions.select_related("answered_by", "closed_by").order_by("entry_id")
        ],
        "statement": review.statement,
        "signed_note": review.signed_note,
    }


def exceptions_of_review(review: LogReview) -> list[dict[str, Any]]:
    """Return the exceptions of a review without what comes after its signature."""
    rows = review.exceptions.select_related("asked", "added_by").order_by("entry_id")
    return [
        {
            "entry": each.entry_id,
            "at": in_utc(each.entry_at),
            "message": each.entry_message,
            "note": each.note,
            "asked": each.asked.get_username() if each.asked else None,
            "added_by": each.added_by.get_username(),
        }
        for each in rows
    ]


def access_review_file(review: AccessReview) -> dict[str, Any]:
    """Return an access review with every right and what was decided about it."""
    return {
        "kind": "access review",
        "about": HOW_TO_CHECK.format(part="rights"),
        "number": review.pk,
        "name": review.name,
        "scope": review.scope.get("words"),
        "snapshot_taken": in_utc(review.begun_at),
        "due": review.due_on.isoformat(),
        "reviewers": sorted(each.get_username() for each in review.reviewers.all()),
        "committed_by": review.committed_by.get_username() if review.committed_by else None,
        "committed_at": in_utc(review.committed_at),
        "rights": rights_of(review),
        "statement": review.statement,
        "signed_note": review.signed_note,
    }


def rights_of(review: AccessReview) -> list[dict[str, Any]]:
    """Return the rights of a review with the decisions, in the order of the snapshot."""
    items = review.items.order_by("pk").select_related("decided_by").defer("barred")
    return [
        {
            "number": item.pk,
            "user": item.user_name,
            "activity": item.activity_name,
            "resource": item.resource_name,
            "policy": item.policy_name,
            "through": item.via,
            "counts": item.decides,
            "last_used": in_utc(item.last_used_at),
            "granted_by": item.granted_by,
            "decision": item.decision,
            "reason": item.reason,
            "decided_by": item.decided_by.get_username() if item.decided_by else None,
            "decided_at": in_utc(item.decided_at),
        }
        for item in items.iterator(chunk_size=1000)
    ]


def digest_of_items(review: AccessReview) -> str:
    """Return the SHA-256 by which the statement stands for the rights and decisions."""
    return digest(rights_of(review))
