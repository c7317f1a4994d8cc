"""Exceptions from access policies: what an access review took away from one person, although a policy names it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from sessions_app.catalogue.models import AccessPolicy, Activity, Resource

Pair = tuple[int, int]  # the ids of an activity and a resource


class AccessExceptionQuerySet(models.QuerySet["AccessException"]):
    """Selections of exceptions."""

    def in_force(self) -> Self:
        return self.filter(lifted_at=None)

    def of_policy(self, policy: models.OuterRef) -> Self:
        """Select the exceptions in force that count for the policy of an outer query."""
        return self.in_force().filter(models.Q(policy=None) | models.Q(policy=policy))


class AccessException(models.Model):
    """Says that one person does not get one activity on one resource any more, until it is lifted.

    Without a policy it counts for every policy, also for one that is made later. With one it counts for that policy
    alone: another policy went on giving the right when the access review was committed.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="access_exceptions")
    activity = models.ForeignKey(Activity, models.CASCADE, related_name="+")
    resource = models.ForeignKey(Resource, models.CASCADE, related_name="+")
    policy = models.ForeignKey(AccessPolicy, models.CASCADE, null=True, related_name="exceptions")
    review = models.ForeignKey("sessions_app.AccessReview", models.SET_NULL, null=True, related_name="exceptions")
    review_name = models.CharField(max_length=80)
    reason = models.CharField(max_length=200)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    lifted_at = models.DateTimeField(null=True)
    lift_reason = models.CharField(max_length=200, blank=True)

    objects = AccessExceptionQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["user", "activity", "resource", "policy"],
                condition=models.Q(lifted_at=None),
                name="access_exception_once",
            ),
            models.UniqueConstraint(
                fields=["user", "activity", "resource"],
                condition=models.Q(lifted_at=None, policy=None),
                name="access_exception_every_once",
            ),
        ]

    def __str__(self) -> str:
        by = f"by the access policy {self.policy}" if self.policy_id else "by any access policy"
        return f"{self.user} may not do {self.activity} on {self.resource} {by}"

    @property
    def sentence(self) -> str:
        """Return who took what away and why, for the person who is refused."""
        return (
            f"The access review “{self.review_name}” took {self.activity} on {self.resource} away from "
            f"{self.user.get_username()}: {self.reason.rstrip('.')}."
        )


def exceptions_of(user_id: int, pairs: Collection[Pair]) -> dict[Pair, list[AccessException]]:
    """Return the exceptions in force for one person, by activity and resource, with one query."""
    asked = set(pairs)
    rows = (
        AccessException.objects.in_force()
        .filter(user=user_id, activity__in={one for one, _ in asked}, resource__in={one for _, one in asked})
        .select_related("user", "activity", "resource")
        .order_by("pk")
    )
    found: dict[Pair, list[AccessException]] = {}
    for row in rows:
        if (pair := (row.activity_id, row.resource_id)) in asked:
            found.setdefault(pair, []).append(row)
    return found
