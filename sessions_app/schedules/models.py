"""A scheduled export, and each file that was made by one."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.urls import reverse
from django.utils import timezone

from activity.models import SavedView
from sessions_app.roles import is_administrator


class Every(models.TextChoices):
    """How often an export is made."""

    DAY = "day", "Every day"
    WEEK = "week", "Every week"
    MONTH = "month", "Every month"


class Weekday(models.IntegerChoices):
    """The days of a week, as Python counts them."""

    MONDAY = 0, "Monday"
    TUESDAY = 1, "Tuesday"
    WEDNESDAY = 2, "Wednesday"
    THURSDAY = 3, "Thursday"
    FRIDAY = 4, "Friday"
    SATURDAY = 5, "Saturday"
    SUNDAY = 6, "Sunday"


class ExportFormat(models.TextChoices):
    """The formats of an export (activity/listing/formats.py)."""

    CSV = "csv", "CSV"
    JSON_LINES = "jsonl", "JSON Lines"
    WORKBOOK = "xlsx", "Excel (XLSX)"


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Selections of schedules."""

    def visible_to(self, person: AbstractUser | AnonymousUser) -> Self:
        """Return the person's own schedules; administrators see all."""
        return self if is_administrator(person) else self.filter(owner_id=person.pk)

    def running(self) -> Self:
        """Select those that make exports."""
        return self.filter(is_paused=False, stopped_because="")


class Schedule(models.Model):
    """A saved view or a report that the worker exports again and again for its owner."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    view = models.ForeignKey(SavedView, models.SET_NULL, null=True, related_name="+", verbose_name="saved view")
    report = models.CharField(max_length=40, blank=True)  # the slug of a report, which is exported instead of a view
    view_name = models.CharField(max_length=60)  # of the view or the report; stays when the view is gone
    format = models.CharField(max_length=5, choices=ExportFormat.choices, default=ExportFormat.CSV)
    is_archive = models.BooleanField("in a ZIP with the signed manifest", default=True)
    every = models.CharField("how often", max_length=5, choices=Every.choices, default=Every.WEEK)
    weekday = models.SmallIntegerField(choices=Weekday.choices, default=Weekday.MONDAY)
    month_day = models.SmallIntegerField("day of the month", default=1)
    at = models.TimeField("time")
    zone = models.CharField(max_length=64)  # of the owner when it was saved
    is_paused = models.BooleanField(default=False)
    stopped_because = models.CharField(max_length=300, blank=True)
    next_at = models.DateTimeField(default=timezone.now)
    # The worker that makes the export now has it until then; after an attempt that failed, nobody takes it before then.
    held_until = models.DateTimeField(null=True)
    attempts = models.SmallIntegerField(default=0)  # that failed since the last one that did not
    problem = models.CharField(max_length=300, blank=True)  # of the last attempt
    created_at = models.DateTimeField(default=timezone.now)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["next_at"],
                name="schedule_due",
                condition=models.Q(is_paused=False, stopped_because=""),
            )
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(month_day__range=(1, 31)), name="schedule_month_day"),
            models.CheckConstraint(condition=models.Q(weekday__range=(0, 6)), name="schedule_weekday"),
        ]

    def __str__(self) -> str:
        return self.view_name

    def get_absolute_url(self) -> str:
        """Return the address of its page."""
        return reverse("schedule", args=[self.pk])

    @property
    def is_running(self) -> bool:
        """Return whether it makes exports."""
        return not self.is_paused and not self.stopped_because

    @property
    def next_attempt_at(self) -> dt.datetime:
        """Return when a worker makes the next export, or tries again what has failed."""
        return max(self.next_at, self.held_until) if self.attempts and self.held_until else self.next_at

    @property
    def covers(self) -> str:
        """Return in words which days a report with a period is about."""
        return {
            Every.DAY: "the day before",
            Every.WEEK: "the week before, Monday to Sunday",
            Every.MONTH: "the month before",
        }[Every(self.every)]

    @property
    def words(self) -> str:
        """Return when it is made, in words: "Every week on Monday at 07:30 (Europe/Zurich)"."""
        day = {
            Every.DAY: "",
            Every.WEEK: f" on {Weekday(self.weekday).label}",
            Every.MONTH: f" on day {self.month_day}",
        }[Every(self.every)]
        return f"{Every(self.every).label}{day} at {self.at:%H:%M} ({self.zone})"


class ScheduledExport(models.Model):
    """One file that was made for the owner of a schedule. It is removed when it expires."""

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="exports")
    token = models.CharField(max_length=64, unique=True)  # in the link
    stored_as = models.CharField(max_length=64)  # the name of the file in EXPORTS_DIR, which nobody else chooses
    file_name = models.CharField(max_length=400)  # for who downloads it
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    made_as = models.CharField(max_length=15, blank=True)  # the role of its owner then: a key of ROLES
    made_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    removed_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)  # for the first time
    mailed_at = models.DateTimeField(null=True)
    mail_next_at = models.DateTimeField(null=True)  # when the mail is tried; none: there is nothing to send any more
    mail_problem = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["mail_next_at"], name="schedule_mail", condition=models.Q(mail_next_at__isnull=False))
        ]

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        """Return the address of the file."""
        return reverse("schedule_file", args=[self.token])

    @property
    def is_there(self) -> bool:
        """Return whether it can be fetched."""
        return self.removed_at is None and self.expires_at > timezone.now()
