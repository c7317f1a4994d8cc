"""The rows of the activity log, and what a person prefers to see of a list.

LogEntry is append-only: the database refuses UPDATE and DELETE (activity/append_only.py). Only activity/log.py writes
entries.
"""

from __future__ import annotations

import functools
import operator
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.utils import timezone

from activity.rollups.models import Rollup, RollupState
from activity.rows import QuickRows
from activity.saved_views.models import SavedView, ViewMark
from activity.seal.models import Checkpoint, SealFinding, SealState, SealTile
from activity.text_index import TextIndex
from activity.verbs import verb_choices

__all__ = [
    "LOG_WORDS",
    "Checkpoint",
    "DownloadPreference",
    "Level",
    "ListPreference",
    "LogEntry",
    "LogEntryQuerySet",
    "PastName",
    "PruneRequest",
    "Rollup",
    "RollupState",
    "SavedView",
    "SealFinding",
    "SealState",
    "SealTile",
    "ViewMark",
]

LOG_WORDS = TextIndex(
    "activity_logentry", ("message", "target_name", "actor_name", "user_name", "ip"), addresses=("ip",)
)


class Level(models.IntegerChoices):
    """How much an entry matters; the numbers are Python's logging levels."""

    DEBUG = 10, "Debug"
    INFO = 20, "Info"
    WARNING = 30, "Warning"
    ERROR = 40, "Error"


class Outcome(models.TextChoices):
    """How what an entry tells of ended (PCI DSS 10.2.2)."""

    SUCCESS = "success", "Success"
    FAILURE = "failure", "Failure"  # it was allowed, or nobody knows who asked, and did not work
    DENIED = "denied", "Denied"  # a rule, a missing right or a person refused it


class LogEntryQuerySet(models.QuerySet["LogEntry"]):
    """Selections of log entries."""

    alternatives: tuple[models.Q, ...] = ()  # each finds some of the rows, together they find all (listing/keyset.py)

    def _clone(self) -> Self:
        copy: Self = super()._clone()  # type: ignore[misc]  # its types do not know it
        copy.alternatives = self.alternatives
        return copy

    def either(self, *alternatives: models.Q) -> Self:
        """Select entries that match any of the `alternatives`. A list reads each of them by its own index."""
        found = self.filter(functools.reduce(operator.or_, alternatives))
        found.alternatives = alternatives
        return found

    def visible_to(self, user: AbstractUser | AnonymousUser) -> Self:
        """Return all entries for who may read the whole log (`activity.view_logentry`), else the person's own."""
        if user.has_perm("activity.view_logentry"):
            return self
        return self.about(user)

    def about(self, user: AbstractUser | AnonymousUser) -> Self:
        """Select entries that `user` caused or that concern them."""
        return self.either(models.Q(actor_id=user.pk), models.Q(user_id=user.pk))

    def of_login(self, login_id: int) -> Self:
        """Select the entries of what was done in one login session."""
        return self.filter(login_id=login_id)

    def of_target(self, target: models.Model) -> Self:
        """Select the entries about one object."""
        return self.filter(target_type=target._meta.label_lower, target_id=target.pk)


class LogEntry(QuickRows):
    """One row of the activity log: who did what to whom or what, when and from where.

    `actor` did it (none: the system), `user` is the person it concerns (often the same). Names are kept as they were.
    """

    at = models.DateTimeField("date and time", default=timezone.now, editable=False)
    # Without an index each: those below begin with them.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False)
    actor_name = models.CharField("actor", max_length=150, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False)
    user_name = models.CharField("user", max_length=150, blank=True)
    verb = models.CharField(max_length=40, choices=verb_choices)
    level = models.SmallIntegerField(choices=Level.choices, default=Level.INFO)
    message = models.CharField(max_length=1000)
    target_type = models.CharField(max_length=60, blank=True)
    target_id = models.BigIntegerField(null=True)
    target_name = models.CharField("target", max_length=200, blank=True)
    ip = models.GenericIPAddressField("IP address", null=True)
    # The number of the login session whose browser asked for it; none: an SSH client, a command, a worker. It is no
    # foreign key, because this package does not know logins.
    login_id = models.BigIntegerField("login session", null=True)
    details = models.JSONField(default=dict)
    # The database knows the default too: so the column was added to millions of entries without writing them anew, and
    # the entry that the database writes by itself (append_only.py) has one.
    outcome = models.CharField(
        max_length=10, choices=Outcome.choices, default=Outcome.SUCCESS, db_default=Outcome.SUCCESS
    )

    objects = LogEntryQuerySet.as_manager()

    class Meta:
        verbose_name = "log entry"
        verbose_name_plural = "log entries"
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["at", "id"], name="log_at"),
            models.Index(fields=["actor", "at", "id"], name="log_actor_at"),
            models.Index(fields=["user", "at", "id"], name="log_user_at"),
            models.Index(fields=["target_type", "target_id", "id"], name="log_target"),
            models.Index(fields=["login_id", "id"], name="log_login", condition=models.Q(login_id__isnull=False)),
            models.Index(fields=["verb", "at"], name="log_verb"),  # a keyword that is part of what was done
            # The few that went wrong, without walking over all others.
            models.Index(
                fields=["at", "id", "level"], name="log_problems", condition=models.Q(level__gte=Level.WARNING)
            ),
            models.Index(
                fields=["at", "id", "outcome"], name="log_refused", condition=~models.Q(outcome=Outcome.SUCCESS)
            ),
            models.Index(fields=["user_name", "at", "id"], name="log_nobody", condition=models.Q(user=None)),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(level__in=[10, 20, 30, 40]), name="log_level_known"),
            models.CheckConstraint(condition=~models.Q(verb=""), name="log_verb_named"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.message}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the entry. Raise an error for a row that exists, because the log is append-only."""
        if self.pk is not None:
            raise TypeError("The activity log is append-only; a log entry is never changed.")
        super().save(*args, **kwargs)


class PruneRequest(models.Model):
    """A request to delete old entries of the log, or to erase the personal data of one (prune.py, erase.py).

    The database carries it out while the row is added: it writes an entry that says what is done, deletes what is older
    than `before` or empties the entry, and then deletes the row (append_only.py). The table is empty at every other
    moment.
    """

    before = models.DateTimeField(null=True)
    entry_id = models.BigIntegerField(null=True)  # whose personal data is erased; then there is no `before`
    reason = models.CharField(max_length=500, blank=True, db_default="")
    export = models.CharField(max_length=255, blank=True)  # name of the file that they were written to

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"entry {self.entry_id}" if self.entry_id is not None else f"entries before {self.before}"


class PastName(models.Model):
    """A name that an account had before it was renamed. Written by activity/names.py."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=150, db_index=True)
    until = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="past_name_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.user_id}"


class DownloadPreference(models.Model):
    """The way in which one person wants their downloads."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    has_byte_order_mark = models.BooleanField(default=False)  # a byte-order mark before the CSV

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"downloads for {self.user_id}"

    @classmethod
    def of(cls, user: AbstractUser | AnonymousUser) -> DownloadPreference:
        """Return what the person chose; as it is without a choice when they never did."""
        return cls.objects.filter(user_id=user.pk).first() or cls()


class ListPreference(models.Model):
    """How one person wants to see one list: column widths in pixels, hidden columns, and the order of all columns."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    table = models.CharField(max_length=40)
    widths = models.JSONField(default=dict)
    hidden = models.JSONField(null=True)  # none: the table's own choice
    order = models.JSONField(default=list)  # keys; columns that are not named stay where the table has them

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "table"], name="list_preference_once")]

    def __str__(self) -> str:
        return f"{self.table} for {self.user_id}"
