"""Commit an access review: make the exceptions that take rights away, after the effect was shown.

The effect is found by making the exceptions in a transaction and looking at what has changed. To show it, that
transaction is rolled back. Who commits says by a fingerprint which effect they saw: if the policies, the sessions or
the decisions have changed since, nothing is committed, and the new effect is shown.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.exception_models import AccessException
from sessions_app.configuration.ended_sessions import affected_sessions
from sessions_app.errors import Forbidden, Refused
from sessions_app.permission import clean_text, require_administrator
from sessions_app.privileged.effective_rights import Triple, effective_rights
from sessions_app.reviews.export import digest_of_items
from sessions_app.reviews.flows.access import LONGEST_REASON, lock_open
from sessions_app.reviews.models import AccessReview, AccessReviewItem, Decision
from sessions_app.reviews.statement import digest, signed, written
from sessions_app.roles import is_administrator

Given = dict[Triple, dict[int, str]]  # the policies that give each right, by id with their names
TAKEN = (Decision.TAKE_AWAY, Decision.TAKE_AWAY_ALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """What a commit does now."""

    kept: int
    taken: list[AccessReviewItem]
    ending: list[int]  # open sessions that end within seconds
    running_on: list[int]  # that lose their right, and which their policy lets run to the end
    still: list[tuple[AccessReviewItem, tuple[str, ...]]]  # rights that other policies give the same person
    gone: list[AccessReviewItem]  # rights that no policy gives any more since the review began

    @property
    def fingerprint(self) -> str:
        """Return what is different if the effect is."""
        return digest(
            {
                "kept": self.kept,
                "taken": [[item.pk, item.version] for item in self.taken],
                "ending": self.ending,
                "running_on": self.running_on,
                "still": [[item.pk, *names] for item, names in self.still],
                "gone": [item.pk for item in self.gone],
            }
        )


class EffectChanged(Exception):
    """The effect is another one than the person has seen. Nothing was committed."""

    def __init__(self, effect: Effect) -> None:
        super().__init__()
        self.effect = effect


def effect_of(actor: AbstractUser, review: AccessReview) -> Effect:
    """Return what a commit would do now. Changes nothing."""
    with transaction.atomic():
        effect = _apply(actor, review)
        transaction.set_rollback(True)
    return effect


def why_not_committed(actor: AbstractUser, review: AccessReview) -> str:
    """Return why this person cannot commit the review now; an empty string if they can."""
    if not (is_administrator(actor) or review.reviewers.filter(pk=actor.pk).exists()):
        return "Only its reviewers and administrators commit an access review."
    undecided = review.items.filter(decision="").count()
    if undecided:
        return f"{undecided:,} right{'' if undecided == 1 else 's'} must be decided first."
    return ""


def commit_access_review(actor: AbstractUser, review: AccessReview, fingerprint: str) -> Effect:
    """Take away what the reviewers decided, sign what was reviewed, and log it. Return what it did.

    Raise EffectChanged if it would do something else than what `fingerprint` stands for, Refused if it cannot be
    committed, and Forbidden.
    """
    with transaction.atomic():
        locked = lock_open(review)
        if why := why_not_committed(actor, locked):
            raise Refused(f"{why} Nothing was committed.")
        effect = _apply(actor, locked)
        if effect.fingerprint != fingerprint:
            raise EffectChanged(effect)
        locked.committed_by_id, locked.committed_at = actor.pk, timezone.now()
        locked.statement = _statement(actor, locked, effect)
        locked.signed_note = signed(locked.statement)
        locked.save(update_fields=["committed_by", "committed_at", "statement", "signed_note"])
        _record(actor, locked, effect)
    return effect


def _apply(actor: AbstractUser, review: AccessReview) -> Effect:
    """Make the exceptions, and return what that changes. To be called in a transaction."""
    taken = list(review.items.filter(decision__in=TAKEN).select_related("user", "policy").order_by("pk"))
    before, had = affected_sessions(), _policies_of(taken)
    gone = _gone(taken, had)
    exceptions = _exceptions(actor, review, taken, had, gone)
    # Another review may have made the same exception.
    AccessException.objects.bulk_create(exceptions, ignore_conflicts=True, batch_size=500)
    after, has = affected_sessions(), _policies_of(taken)
    return Effect(
        kept=review.items.filter(decision=Decision.KEEP).count(),
        taken=taken,
        ending=sorted(after.ending - before.ending),
        running_on=sorted(after.running_on - before.running_on),
        still=[(item, tuple(sorted(has[_triple(item)].values()))) for item in taken if has.get(_triple(item))],
        gone=gone,
    )


def _gone(taken: Sequence[AccessReviewItem], had: Given) -> list[AccessReviewItem]:
    """Return the items whose own policy does not give the right any more, and not because it was taken away already."""
    lost = [item for item in taken if item.policy_id not in had.get(_triple(item), {})]
    exceptions = AccessException.objects.in_force().filter(policy__in={item.policy_id for item in lost})
    already = set(exceptions.values_list("user_id", "activity_id", "resource_id", "policy_id"))
    return [item for item in lost if (*_triple(item), item.policy_id) not in already]


def _exceptions(
    actor: AbstractUser,
    review: AccessReview,
    taken: Sequence[AccessReviewItem],
    had: Given,
    gone: Sequence[AccessReviewItem],
) -> list[AccessException]:
    """Return what makes the decisions last.

    An exception counts for every policy, also for one that is made later: what was taken away stays away until somebody
    gives it back with a reason, and does not come back because its policy is replaced by an equal one, before or after
    this. Only where another policy is to go on giving the right does it count for the policy of the decision alone.
    """
    left = {triple: set(policies) for triple, policies in had.items()}
    for item in taken:
        left.get(_triple(item), set()).discard(item.policy_id)
    kept = set(review.items.filter(decision=Decision.KEEP).values_list("user_id", "activity_id", "resource_id"))
    everywhere = {item.pk for item in gone}  # what gives the right now may be what took the place of its policy
    made: dict[tuple[Triple, int | None], AccessException] = {}
    for item in taken:
        triple, policy_id = _triple(item), item.policy_id
        if 0 in triple:
            continue  # the person, the activity or the resource is gone
        others_give = triple in kept or (item.pk not in everywhere and bool(left.get(triple)))
        if item.decision == Decision.TAKE_AWAY_ALL or not others_give:
            policy_id = None
        elif policy_id is None:
            continue  # its policy is deleted, and the review keeps the right by another one
        made.setdefault((triple, policy_id), _exception(actor, review, item, policy_id))
    return list(made.values())


def _exception(
    actor: AbstractUser, review: AccessReview, item: AccessReviewItem, policy_id: int | None
) -> AccessException:
    user, activity, resource = _triple(item)
    return AccessException(
        user_id=user,
        activity_id=activity,
        resource_id=resource,
        policy_id=policy_id,
        review=review,
        review_name=review.name,
        reason=item.reason,
        made_by_id=item.decided_by_id or actor.pk,
    )


def _triple(item: AccessReviewItem) -> Triple:
    return item.user_id or 0, item.activity_id or 0, item.resource_id or 0


def _policies_of(items: Sequence[AccessReviewItem]) -> Given:
    """Return the policies that give each right now, by id with their names."""
    if not items:
        return {}
    rights = effective_rights(
        users=Q(pk__in={item.user_id for item in items}),  # also of a disabled account, which may come back
        activities=Q(pk__in={item.activity_id for item in items}),
        resources=Q(pk__in={item.resource_id for item in items}),
    )
    found: Given = defaultdict(dict)
    for right in rights:
        found[right.triple][right.pair.policy.pk] = right.pair.policy.name
    return found


def _statement(actor: AbstractUser, review: AccessReview, effect: Effect) -> str:
    facts: list[tuple[str, object]] = [
        ("access review", f"{review.pk} {review.name}"),
        ("scope", review.scope.get("words")),
        ("snapshot taken", review.begun_at),
        ("reviewers", ", ".join(sorted(each.get_username() for each in review.reviewers.all()))),
        ("rights", effect.kept + len(effect.taken)),
        ("kept", effect.kept),
        ("taken away", len(effect.taken)),
        ("SHA-256 of the rights and decisions", digest_of_items(review)),
        ("committed", review.committed_at),
        ("committed by", actor.get_username()),
    ]
    return written("SessionAdmin access review", facts)


def _record(actor: AbstractUser, review: AccessReview, effect: Effect) -> None:
    log.record(
        Verb.ACCESS_REVIEW_COMMITTED,
        f"{actor.get_username()} committed the access review “{review}”: {effect.kept:,} rights kept, "
        f"{len(effect.taken):,} taken away",
        actor=actor,
        target=review,
        level=Level.WARNING if effect.taken else Level.INFO,
        details={"kept": effect.kept, "taken_away": len(effect.taken), "ending_sessions": effect.ending[:1000]},
    )
    log.record_all(
        log.draft(
            Verb.RIGHT_TAKEN_AWAY,
            f"The access review “{review}” took {item.activity_name} on {item.resource_name} away from "
            f"{item.user_name}: {item.reason}",
            actor=actor,
            user=item.user,
            target=item.policy,
            level=Level.WARNING,
            details={"review": review.pk, "decision": item.decision, "policy": item.policy_name},
        )
        for item in effect.taken
    )


def lift_exception(actor: AbstractUser, exception: AccessException, reason: str) -> None:
    """Give back what a review took away.

    Raise Refused if that was done already, and Forbidden for one's own right or one that the actor had granted.
    """
    require_administrator(actor)
    if exception.user_id == actor.pk:
        raise Forbidden("Nobody gives back a right of their own. Ask another administrator.")
    reviewed = AccessReviewItem.objects.filter(
        review=exception.review_id,
        user=exception.user_id,
        activity=exception.activity_id,
        resource=exception.resource_id,
    )
    if item := reviewed.filter(barred__has_key=str(actor.pk)).order_by("pk").first():
        raise Forbidden(f"{item.why_barred(actor)} Another administrator has to give the right back.")
    reason = clean_text(reason, "reason", LONGEST_REASON, required="Say why the right is given back.")
    values: dict[str, Any] = {"lifted_at": timezone.now(), "lifted_by_id": actor.pk, "lift_reason": reason}
    with transaction.atomic():
        if not AccessException.objects.in_force().filter(pk=exception.pk).update(**values):
            raise Refused("The right was given back already.")
        log.record(
            Verb.RIGHT_GIVEN_BACK,
            f"{actor.get_username()} gave {exception.activity} on {exception.resource} back to {exception.user}, which "
            f"the access review “{exception.review_name}” had taken away: {reason}",
            actor=actor,
            user=exception.user,
            target=exception.policy,
            level=Level.WARNING,
            details={"reason": reason},
        )
