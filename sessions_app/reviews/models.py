"""Reviews: periods of the log that an auditor signs off, and rights that reviewers keep or take away."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from activity.addresses import numbered
from sessions_app.catalogue.models import AccessPolicy, Activity, Resource
from sessions_app.roles import Person, sees_everything

USER = settings.AUTH_USER_MODEL


class LogReview(models.Model):
    """A period of the log that an auditor looks through, and signs off with exceptions.

    `filters` are the filters of the log as in an address: what was looked at. What is written at the end of the class
    is fixed when it is signed.
    """

    since = models.DateTimeField("from")
    until = models.DateTimeField("to")  # not included
    filters = models.CharField(max_length=1000, blank=True)
    filter_words = models.CharField(max_length=1000, blank=True)
    note = models.CharField(max_length=1000, blank=True)
    begun_by = models.ForeignKey(USER, models.PROTECT, related_name="+")
    begun_at = models.DateTimeField(default=timezone.now)
    signed_by = models.ForeignKey(USER, models.PROTECT, null=True, related_name="+")
    signed_at = models.DateTimeField(null=True)
    entries = models.BigIntegerField(null=True)
    looked_at = models.BigIntegerField(null=True)  # entries that fit the filters
    first_entry = models.BigIntegerField(null=True)
    last_entry = models.BigIntegerField(null=True)
    statement = models.TextField(blank=True)
    signed_note = models.TextField(blank=True)  # the statement with signatures; empty: there was no key to sign with

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["until", "since"], name="log_review_period")]
        constraints = [models.CheckConstraint(condition=models.Q(until__gt=models.F("since")), name="log_review_ends")]

    def __str__(self) -> str:
        return f"review {self.pk} of the log"

    def get_absolute_url(self) -> str:
        return numbered("log_review", self.pk)


class ReviewException(models.Model):
    """An entry of the log that a review takes exception to, with the answer to it.

    The time and the message of the entry are kept, because entries are pruned.
    """

    review = models.ForeignKey(LogReview, models.CASCADE, related_name="exceptions")
    entry_id = models.BigIntegerField("entry")
    entry_at = models.DateTimeField()
    entry_message = models.CharField(max_length=1000)
    note = models.CharField(max_length=500)
    asked = models.ForeignKey(USER, models.PROTECT, null=True, related_name="+")  # none: the administrators
    added_by = models.ForeignKey(USER, models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)
    answer = models.CharField(max_length=1000, blank=True)
    answered_by = models.ForeignKey(USER, models.PROTECT, null=True, related_name="+")
    answered_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(USER, models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["review", "entry_id"], name="review_exception_once")]

    def __str__(self) -> str:
        return f"exception {self.pk} of {self.review}"

    def get_absolute_url(self) -> str:
        return numbered("review_exception", self.pk)


class AccessReviewQuerySet(models.QuerySet["AccessReview"]):
    """Selections of access reviews."""

    def visible_to(self, user: Person) -> Self:
        """Return all for who sees everything, else those that the person reviews."""
        return self if sees_everything(user) else self.filter(reviewers=user.pk)

    def open(self) -> Self:
        return self.filter(committed_at=None, canceled_at=None)


class AccessReview(models.Model):
    """A snapshot of rights, each of which a reviewer keeps or takes away until a day."""

    name = models.CharField(max_length=80, unique=True)
    scope = models.JSONField(default=dict)  # kind (forms.py), ids of what was chosen, words
    reviewers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    due_on = models.DateField("due", help_text="Reviewers are reminded three days before, and each day after.")
    begun_by = models.ForeignKey(USER, models.PROTECT, related_name="+")
    begun_at = models.DateTimeField(default=timezone.now)
    committed_by = models.ForeignKey(USER, models.PROTECT, null=True, related_name="+")
    committed_at = models.DateTimeField(null=True)
    canceled_by = models.ForeignKey(USER, models.PROTECT, null=True, related_name="+")
    canceled_at = models.DateTimeField(null=True)
    reminded_on = models.DateField(null=True)
    statement = models.TextField(blank=True)
    signed_note = models.TextField(blank=True)  # the statement with signatures; empty: there was no key to sign with

    objects = AccessReviewQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return numbered("access_review", self.pk)

    @property
    def is_open(self) -> bool:
        return self.committed_at is None and self.canceled_at is None


class Decision(models.TextChoices):
    """What a reviewer decides about one right."""

    KEEP = "keep", "Keep"
    TAKE_AWAY = "take_away", "Take away"
    TAKE_AWAY_ALL = "take_away_all", "Take away, by every policy"


class AccessReviewItem(models.Model):
    """One right as it was when the review began, and what was decided about it. Names are kept as they were."""

    review = models.ForeignKey(AccessReview, models.CASCADE, related_name="items")
    user = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")
    user_name = models.CharField("user", max_length=150)
    activity = models.ForeignKey(Activity, models.SET_NULL, null=True, related_name="+")
    activity_name = models.CharField("activity", max_length=120)
    resource = models.ForeignKey(Resource, models.SET_NULL, null=True, related_name="+")
    resource_name = models.CharField("resource", max_length=120)
    policy = models.ForeignKey(AccessPolicy, models.SET_NULL, null=True, related_name="+")
    policy_name = models.CharField("access policy", max_length=120)
    via = models.CharField("through", max_length=1000)
    decides = models.BooleanField()  # whether this policy counted for a request, and not one with a lower number
    last_used_at = models.DateTimeField("last used", null=True)
    granted_by = models.CharField(max_length=500, blank=True)  # names of those who granted it, as far as the log knows
    # Who must not decide, by the number of the account as text, with why: the person concerned, and who granted it.
    barred = models.JSONField(default=dict)
    decision = models.CharField(max_length=15, choices=Decision.choices, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    decided_by = models.ForeignKey(USER, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=0)  # how often it was decided

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["review", "user_name", "id"], name="review_item_user"),
            models.Index(fields=["review", "decision"], name="review_item_decision"),
        ]

    def __str__(self) -> str:
        return f"{self.user_name}: {self.activity_name} on {self.resource_name} by {self.policy_name}"

    def why_barred(self, person: Any) -> str:
        """Return why this person must not decide about the right; an empty string if they may."""
        why: str = self.barred.get(str(person.pk), "")
        return why
