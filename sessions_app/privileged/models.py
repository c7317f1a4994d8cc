"""The privileged session, its approvals and its control requests.

Only `sessions_app.privileged.lifecycle` writes `status`. The worker acts on the rows: what is due, which worker has the
lease, and what was tried. Constraints of the database refuse impossible rows.
"""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from activity.addresses import numbered
from activity.rows import QuickRows
from activity.text_index import TextIndex
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.people.models import AccountLock
from sessions_app.roles import Person, sees_everything


class Status(models.TextChoices):
    """The status of a session. The labels are shown to people."""

    PENDING = "pending", "Scheduled"
    WAITING = "waiting_for_approval", "Waiting for Approval"
    PROVISIONING = "provisioning", "Provisioning"
    AVAILABLE = "available", "Available"
    LOGGED_IN = "logged_in", "Logged In"
    LOCKED = "locked", "Locked"
    CANCELING = "canceling", "Canceling"
    COMPLETE = "complete", "Complete"
    CANCELED = "canceled", "Canceled"
    DENIED = "denied", "Denied"
    FAILED = "failed", "Failed"
    APPROVAL_FAILED = "approval_failed", "Approval Failed"


ENDED = frozenset({Status.COMPLETE, Status.CANCELED, Status.DENIED, Status.FAILED, Status.APPROVAL_FAILED})
LIVE = frozenset({Status.PROVISIONING, Status.AVAILABLE, Status.LOGGED_IN, Status.LOCKED, Status.CANCELING})
# The user has rights on the resource, so the session has a start and an end.
HOLDS_GRANT = frozenset({Status.AVAILABLE, Status.LOGGED_IN, Status.LOCKED})


# Shown beside Complete if the requester withdrew the request before anything was given.
WITHDRAWN = "withdrawn before it began"

# The fields that the search of the list covers.
SESSION_WORDS = TextIndex(
    "sessions_app_privilegedsession",
    ("user_name", "resource_name", "activity_name", "login_account", "ticket_number", "notes"),
)


class PrivilegedSessionQuerySet(models.QuerySet["PrivilegedSession"]):
    """Selections of privileged sessions."""

    def visible_to(self, user: Person) -> Self:
        """Return all sessions for administrators and auditors.

        For others return their own, and those that wait for their approval or had it.
        """
        if sees_everything(user):
            return self
        return self.filter(
            Q(user_id=user.pk)
            | Q(pk__in=self.model.objects.awaiting(user).values("pk"))
            | Q(pk__in=Approval.objects.filter(approver_id=user.pk).values("session_id"))
        )

    def mine(self, user: Person) -> Self:
        """Return sessions whose user is this person."""
        return self.filter(user_id=user.pk)

    def awaiting(self, user: Person) -> Self:
        """Return sessions that wait for this person's decision now.

        The person is an approver of the current tier, is neither the user nor the requester, and has not decided yet.
        """
        # The person must be an approver of the current tier. A subquery for each of the few waiting sessions is used:
        # for a join SQLite starts at the tiers and reads all sessions of their profiles (400 ms in a million).
        asked = ApprovalTier.objects.filter(
            Q(users=user.pk) | Q(groups__user=user.pk),
            profile=models.OuterRef("profile"),
            order=models.OuterRef("current_tier"),
        )
        decided = Approval.objects.filter(
            session=models.OuterRef("pk"), tier=models.OuterRef("current_tier"), approver_id=user.pk
        )
        return self.filter(models.Exists(asked), status=Status.WAITING).exclude(
            Q(user_id=user.pk) | Q(requested_by_id=user.pk) | models.Exists(decided)
        )

    def live(self) -> Self:
        """Return sessions whose rights are given, being given or being taken away."""
        return self.filter(status__in=LIVE)

    def not_ended(self) -> Self:
        """Return sessions that can still change."""
        return self.exclude(status__in=ENDED)


class PrivilegedSession(QuickRows):
    """One request for an activity on a resource, and what follows from it.

    It also keeps the names as they were at the time, so that the history stays true after a renaming.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="privileged_sessions")
    user_name = models.CharField("user", max_length=150)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    resource = models.ForeignKey(Resource, models.PROTECT, related_name="sessions")
    resource_name = models.CharField("host", max_length=120)
    activity = models.ForeignKey(Activity, models.PROTECT, related_name="sessions")
    activity_name = models.CharField("activity", max_length=120)
    policy = models.ForeignKey(AccessPolicy, models.SET_NULL, null=True, related_name="sessions")
    profile = models.ForeignKey(ConnectionProfile, models.PROTECT, related_name="sessions")
    maximum_duration = models.DurationField()
    login_account = models.CharField(max_length=32, blank=True)
    notes = models.CharField(max_length=1000, blank=True)
    ticket_number = models.CharField(max_length=80, blank=True)

    status = models.CharField(max_length=20, choices=Status.choices, editable=False)
    requested_at = models.DateTimeField("requested", default=timezone.now)
    scheduled_for = models.DateTimeField(null=True)  # None for as soon as possible
    start_at = models.DateTimeField("start", null=True)  # when the pre-session actions ran
    end_at = models.DateTimeField("end", null=True)  # start + maximum duration + extensions
    ended_at = models.DateTimeField("ended", null=True)  # when a final status was reached
    duration = models.DurationField(null=True)  # from start to ended; None if it never started
    current_tier = models.PositiveSmallIntegerField(default=0)  # the approval tier that decides now; 0 for none
    approval_deadline = models.DateTimeField(null=True)
    extensions = models.PositiveSmallIntegerField(default=0)
    end_notice_sent = models.BooleanField(default=False)
    # When the second factor was given that its profile asks for at the start; None if it was not given yet.
    start_confirmed_at = models.DateTimeField(null=True)

    # Why its rights are being taken away, and its status after that.
    ends_as = models.CharField(max_length=20, choices=Status.choices, blank=True)
    end_reason = models.CharField(max_length=300, blank=True)
    # What a locked session shows to its user.
    lock_title = models.CharField(max_length=120, blank=True)
    lock_message = models.CharField(max_length=500, blank=True)
    # The account lock that locked it, which also unlocks it. None if it was locked separately or is not locked.
    account_lock = models.ForeignKey(AccountLock, models.SET_NULL, null=True, related_name="sessions")
    is_logged_on = models.BooleanField(default=False)  # what the resource last reported

    # For the worker: the lease, when it ends, and the tries so far.
    lease = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    next_monitor_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    # What a slow call to the resource is waiting for, and since when. It is valid only during a lease.
    waiting_for = models.CharField(max_length=200, blank=True)
    waiting_since = models.DateTimeField(null=True)

    right_gone = ""  # why the policy would not allow it any more; not stored, set by start_check.py

    objects = PrivilegedSessionQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("administer", "Administrator: manages everything"),
            ("audit", "Auditor: reads everything"),
        ]
        indexes = [
            models.Index(fields=["status", "requested_at", "id"], name="session_status_requested"),
            models.Index(fields=["requested_at", "id"], name="session_requested"),  # the order of the tab Historical
            models.Index(fields=["user_name", "id"], name="session_user_name"),  # and the orders by these columns
            models.Index(fields=["resource_name", "id"], name="session_resource_name"),
            models.Index(fields=["start_at", "id"], name="session_start"),
            # The summary of a period reads only this index, and no row of the table.
            models.Index(fields=["user", "start_at", "duration"], name="session_summary"),
            models.Index(fields=["end_at", "id"], name="session_end"),
            models.Index(fields=["login_account", "id"], name="session_account"),
            models.Index(fields=["status", "id"], name="session_status"),
            models.Index(fields=["activity_name", "id"], name="session_activity_name"),
            models.Index(fields=["duration", "id"], name="session_duration"),
            models.Index(fields=["ticket_number", "id"], name="session_ticket_number"),
            models.Index(fields=["scheduled_for", "id"], name="session_scheduled"),
            models.Index(fields=["user", "status"], name="session_user_status"),
            # The last sessions of a person on a resource, for whoever decides on the next one.
            models.Index(fields=["user", "resource", "id"], name="session_user_resource"),
            # When each person last used each right, without a row of the table.
            models.Index(fields=["user", "activity", "resource", "start_at"], name="session_last_use"),
            models.Index(fields=["resource", "status"], name="session_resource_status"),
            models.Index(fields=["status", "end_at"], name="session_status_end"),
            models.Index(fields=["ended_at", "id"], name="session_ended_at"),
            # Only the few withdrawn ones among the Complete.
            models.Index(
                fields=["requested_at", "id"],
                name="session_withdrawn",
                condition=Q(status=Status.COMPLETE, start_at__isnull=True),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="session_status_known"),
            models.CheckConstraint(
                condition=~Q(status__in=sorted(HOLDS_GRANT)) | Q(start_at__isnull=False, end_at__isnull=False),
                name="session_granted_has_times",
            ),
            models.CheckConstraint(
                condition=Q(start_at__isnull=True) | Q(end_at__gt=models.F("start_at")), name="session_end_after_start"
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(ENDED), ended_at__isnull=False)
                | (~Q(status__in=sorted(ENDED)) & Q(ended_at__isnull=True)),
                name="session_ended_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.PENDING) | Q(scheduled_for__isnull=False), name="session_pending_has_date"
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.WAITING) | Q(current_tier__gte=1, approval_deadline__isnull=False),
                name="session_waiting_has_tier",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.CANCELING)
                | Q(ends_as__in=[Status.COMPLETE, Status.CANCELED, Status.FAILED]),
                name="session_canceling_has_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.activity_name} on {self.resource_name} for {self.user_name}"

    def get_absolute_url(self) -> str:
        return numbered("session", self.pk)

    @property
    def is_ended(self) -> bool:
        return self.status in ENDED

    @property
    def host_identity(self) -> str:
        """Return what tells this session on a host from another one with the same number, after a restore."""
        return f"{self.requested_at.astimezone(dt.UTC):%Y%m%dT%H%M%S.%f}"

    @property
    def is_withdrawn(self) -> bool:
        """Return whether the requester withdrew it before anything was given."""
        return self.status == Status.COMPLETE and self.start_at is None


class Approval(models.Model):
    """The decision of one approver on one tier. It is never changed."""

    session = models.ForeignKey(PrivilegedSession, models.PROTECT, related_name="approvals")
    tier = models.PositiveSmallIntegerField()
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    is_approved = models.BooleanField()
    reason = models.CharField(max_length=500, blank=True)
    decided_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index(fields=["decided_at", "id"], name="approval_decided")]
        constraints = [
            models.UniqueConstraint(fields=["session", "tier", "approver"], name="approval_once_a_tier"),
            models.CheckConstraint(condition=Q(is_approved=True) | ~Q(reason=""), name="approval_denied_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.approver} {'approved' if self.is_approved else 'denied'} tier {self.tier} of {self.session_id}"


class ControlKind(models.TextChoices):
    """What the console requests from those who enforce (the worker and the gateways)."""

    LOCK = "lock", "Lock"
    UNLOCK = "unlock", "Unlock"
    DISCONNECT = "disconnect", "Cut connections"
    EXTEND = "extend", "Extend"


class ControlRequest(models.Model):
    """A request to lock, unlock, cut or extend. Its id is its sequence number.

    Lock and unlock replace each other, so at most one of them is open; other kinds are independent. When it was
    enforced is stored separately: for the host here, and for each gateway in GatewayEnforcement. A request that a newer
    one superseded may have been enforced before.
    """

    session = models.ForeignKey(PrivilegedSession, models.PROTECT, related_name="controls")
    kind = models.CharField(max_length=10, choices=ControlKind.choices)
    title = models.CharField(max_length=120, blank=True)
    message = models.CharField(max_length=500, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    enforced_at = models.DateTimeField(null=True)  # when the host carried it out
    enforced_until = models.DateTimeField(null=True)  # when a newer one was carried out, or the rights were taken away
    dropped_at = models.DateTimeField(null=True)  # when it became unnecessary
    superseded_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    host_remarks = models.CharField(max_length=500, blank=True)  # what it does not affect there, or affects as well

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["session", "id"], name="control_open", condition=Q(enforced_at=None, dropped_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"

    @property
    def state(self) -> str:
        """Return "requested", "enforced" or "dropped"."""
        if self.enforced_at:
            return "enforced"
        return "dropped" if self.dropped_at else "requested"
