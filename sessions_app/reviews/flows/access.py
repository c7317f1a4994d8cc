"""Begin an access review, decide about its rights, change who reviews it, and cancel it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.errors import Forbidden, Refused
from sessions_app.permission import clean_text
from sessions_app.privileged.effective_rights import ACTIVE_ACCOUNTS, Right, TooManyRights, effective_rights
from sessions_app.reviews.granters import Granter, Granters
from sessions_app.reviews.mail import ask_reviewers
from sessions_app.reviews.models import AccessReview, AccessReviewItem, Decision
from sessions_app.roles import sees_everything

MOST_ITEMS = 20_000
LONGEST_REASON = 200
CONCERNED = "The right is your own."


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """Which rights a review is about. `ids` are those of groups, resources or policies, as `kind` says."""

    kind: str  # all, groups, resources, policies
    words: str
    ids: tuple[int, ...] = ()

    def rights(self) -> list[Right]:
        """Return the rights of the scope. Raise Refused if there are too many, or none."""
        try:
            found = self._read()
        except TooManyRights as problem:
            raise Refused(
                f"{self.words} has {problem.count:,} rights, and a review holds at most {MOST_ITEMS:,}. Choose less, "
                "for instance one group or some resources.",
                field="kind",
            ) from problem
        if not found:
            raise Refused(f"{self.words} has no rights: there is nothing to review.", field="kind")
        return found

    def _read(self) -> list[Right]:
        if self.kind == "groups":
            return effective_rights(users=ACTIVE_ACCOUNTS & Q(groups__in=self.ids), most=MOST_ITEMS)
        if self.kind == "resources":
            return effective_rights(resources=Q(pk__in=self.ids), most=MOST_ITEMS)
        if self.kind == "policies":
            return effective_rights(policies=frozenset(self.ids), most=MOST_ITEMS)
        return effective_rights(most=MOST_ITEMS)


def begin_access_review(
    actor: AbstractUser, *, name: str, scope: Scope, reviewers: Collection[Any], due_on: dt.date
) -> AccessReview:
    """Take a snapshot of the rights of the scope, and ask the reviewers to decide about each. Raise Refused."""
    require_starter(actor)
    name = clean_text(name, "name", 80, required="Give the review a name.")
    rights = scope.rights()  # before the transaction, which would hold the database meanwhile
    granters = Granters(rights)
    with transaction.atomic():
        review = AccessReview.objects.create(
            name=name,
            scope={"kind": scope.kind, "ids": list(scope.ids), "words": scope.words},
            due_on=due_on,
            begun_by_id=actor.pk,
        )
        review.reviewers.set(reviewers)
        AccessReviewItem.objects.bulk_create(
            (_item(review, right, list(granters.of(right))) for right in rights), batch_size=500
        )
        log.record(
            Verb.ACCESS_REVIEW_BEGUN,
            f"{actor.get_username()} began the access review “{name}” of {len(rights):,} rights: {scope.words}",
            actor=actor,
            target=review,
            details={"items": len(rights), "reviewers": _names(reviewers), "due_on": due_on.isoformat()},
        )
        ask_reviewers(review, reviewers)
    return review


def _item(review: AccessReview, right: Right, granters: Sequence[Granter]) -> AccessReviewItem:
    barred = {str(one.user_id): f"You {one.did}." for one in granters}
    return AccessReviewItem(
        review=review,
        user_id=right.user_id,
        user_name=right.user,
        activity_id=right.pair.activity.pk,
        activity_name=right.pair.activity.name,
        resource_id=right.pair.resource.pk,
        resource_name=right.pair.resource.name,
        policy_id=right.pair.policy.pk,
        policy_name=right.pair.policy.name,
        via=right.via[:1000],
        decides=right.decides,
        last_used_at=right.last_used_at,
        granted_by=", ".join(dict.fromkeys(one.name for one in granters))[:500],
        barred=barred | {str(right.user_id): CONCERNED},
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """What became of a decision about several rights: for which it counts, and why not for others."""

    done: list[AccessReviewItem]
    refused: dict[str, list[AccessReviewItem]]


def decide(
    actor: AbstractUser, review: AccessReview, seen: Mapping[int, int], decision: Decision, reason: str
) -> Decided:
    """Keep rights or take them away. Nothing takes effect before the review is committed.

    `seen` holds the version of each item as the person saw it: what somebody else decided since then stays. A reason is
    needed to take away. Raise Refused if nothing can be decided any more.
    """
    wanted = "" if decision == Decision.KEEP else "Say why it is taken away. The person is told."
    reason = clean_text(reason, "reason", LONGEST_REASON, required=wanted)
    with transaction.atomic():
        locked = lock_open(review)
        if not locked.reviewers.filter(pk=actor.pk).exists():
            raise Forbidden("Only the reviewers of an access review decide about its rights.")
        items = list(locked.items.filter(pk__in=seen).select_related("decided_by").order_by("pk"))
        done: list[AccessReviewItem] = []
        refused: dict[str, list[AccessReviewItem]] = defaultdict(list)
        for item in items:
            if why := _why_not(actor, item, seen[item.pk]):
                refused[why].append(item)
            else:
                done.append(item)
        locked.items.filter(pk__in=[item.pk for item in done]).update(
            decision=decision,
            reason=reason,
            decided_by_id=actor.pk,
            decided_at=timezone.now(),
            version=F("version") + 1,
        )
        if done:
            _record(actor, locked, done, decision, reason)
    return Decided(done, dict(refused))


def _why_not(actor: AbstractUser, item: AccessReviewItem, seen: int) -> str:
    if barred := item.why_barred(actor):
        return f"{barred} Somebody else has to decide."
    if item.version != seen and item.decided_by is not None:
        said = f": {item.reason}" if item.reason else ""
        return (
            f"{item.decided_by.get_username()} decided it meanwhile ({item.get_decision_display()}{said}). "
            "Look at it again, and decide anew if you do not agree."
        )
    return ""


def _record(
    actor: AbstractUser, review: AccessReview, items: list[AccessReviewItem], decision: Decision, reason: str
) -> None:
    what = str(items[0]) if len(items) == 1 else f"{len(items)} rights"
    words = {Decision.KEEP: "to keep", Decision.TAKE_AWAY: "to take away"}.get(decision, "to take away by every policy")
    said = f"{actor.get_username()} decided in the access review “{review}” {words} {what}"
    log.record(
        Verb.ACCESS_REVIEW_DECIDED,
        f"{said}: {reason}" if reason else said,
        actor=actor,
        user=items[0].user if len(items) == 1 else None,
        target=review,
        details={"decision": decision.value, "reason": reason, "items": [str(item) for item in items]},
    )


def change_access_review(
    actor: AbstractUser, review: AccessReview, *, reviewers: Collection[Any], due_on: dt.date
) -> None:
    """Change who reviews, and until when. New reviewers get a mail."""
    require_starter(actor)
    with transaction.atomic():
        locked = lock_open(review)
        before = set(locked.reviewers.values_list("pk", flat=True))
        old = {"reviewers": _names(locked.reviewers.all()), "due_on": locked.due_on.isoformat()}
        new = {"reviewers": _names(reviewers), "due_on": due_on.isoformat()}
        if old == new:
            return
        locked.due_on = due_on
        locked.save(update_fields=["due_on"])
        locked.reviewers.set(reviewers)
        changes = {name: {"old": old[name], "new": new[name]} for name in old if old[name] != new[name]}
        log.record(
            Verb.ACCESS_REVIEW_CHANGED,
            f"{actor.get_username()} changed {' and '.join(sorted(changes))} of the access review “{locked}”",
            actor=actor,
            target=locked,
            details={"changes": changes},
        )
        ask_reviewers(locked, [each for each in reviewers if each.pk not in before])


def cancel_access_review(actor: AbstractUser, review: AccessReview, reason: str) -> None:
    """End a review without taking anything away.

    Raise Forbidden for who would keep by it what others decided to take away: their own right, or one they granted.
    """
    require_starter(actor)
    reason = clean_text(reason, "reason", LONGEST_REASON, required="Say why the review is canceled.")
    with transaction.atomic():
        locked = lock_open(review)
        taken = locked.items.exclude(decision__in=["", Decision.KEEP])
        if barred := taken.filter(barred__has_key=str(actor.pk)).order_by("pk").first():
            raise Forbidden(
                f"The review takes away {barred}. {barred.why_barred(actor)} Somebody else has to cancel the review."
            )
        locked.canceled_by_id, locked.canceled_at = actor.pk, timezone.now()
        locked.save(update_fields=["canceled_by", "canceled_at"])
        log.record(
            Verb.ACCESS_REVIEW_CANCELED,
            f"{actor.get_username()} canceled the access review “{locked}”: {reason}",
            actor=actor,
            target=locked,
            level=Level.WARNING,
            details={"reason": reason},
        )


def lock_open(review: AccessReview) -> AccessReview:
    """Lock the row of the review, so that one decision at a time is made in it. Raise Refused if it has ended."""
    locked = AccessReview.objects.select_for_update(no_key=True, of=("self",)).get(pk=review.pk)
    if locked.committed_at is not None:
        raise Refused("This access review was committed already. Nothing can be decided in it any more.")
    if locked.canceled_at is not None:
        raise Refused("This access review was canceled. Nothing can be decided in it any more.")
    return locked


def require_starter(actor: AbstractUser) -> None:
    """Raise Forbidden unless `actor` may begin, change and cancel access reviews."""
    if not sees_everything(actor):
        raise Forbidden("Only administrators and auditors begin and change access reviews.")


def _names(people: Collection[Any]) -> list[str]:
    return sorted(person.get_username() for person in people)
