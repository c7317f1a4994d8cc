"""The form of a connection profile with its approval tiers, and the templates that a new one can start from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from django import forms

from sessions_app.catalogue.models import ApprovalTier, ConnectionProfile
from sessions_app.choosing import groups_field, users_field
from sessions_app.configuration.fields import DurationField, SecondsField
from sessions_app.configuration.forms import ConfigurationForm

MOST_TIERS = 3
TIERS = range(1, MOST_TIERS + 1)
HOUR, MINUTE = dt.timedelta(hours=1), dt.timedelta(minutes=1)
# What a new profile begins with, by the name in the address (?template=).
TEMPLATES: dict[str, dict[str, Any]] = {
    "working-day": {
        "name": "Working day",
        "maximum_duration": 8 * HOUR,
        "end_notice": 10 * MINUTE,
        "extension_limit": 2,
        "extension_by": HOUR,
    },
    "needs-approval": {
        "name": "Needs approval",
        "maximum_duration": 2 * HOUR,
        "end_notice": 10 * MINUTE,
        "notes_required": True,
        "tiers": 1,
        "approval_timeout": 8 * HOUR,
    },
    "emergency": {
        "name": "Emergency",
        "maximum_duration": HOUR,
        "end_notice": 5 * MINUTE,
        "extension_limit": 1,
        "extension_by": 30 * MINUTE,
        "notes_required": True,
        "ticket_required": True,
        "record": True,
    },
}


def _of_tier(number: int) -> tuple[str, str, str]:
    return f"tier{number}_required", f"tier{number}_users", f"tier{number}_groups"


class ProfileForm(ConfigurationForm):
    """The form of a connection profile. It asks about tiers, extensions and recordings only where there are any."""

    help = ("lifecycle", "write-a-connection-profile", "What a connection profile decides")
    maximum_duration = DurationField(help_text="From start to end. “2 h 30” and “1 day” are understood too.")
    end_notice = DurationField(label="End notification", help_text="The user is warned this long before the end.")
    extension_by = DurationField(help_text="An extension adds this time.")
    approval_timeout = DurationField(help_text="A request fails if nobody approves or denies it within this time.")
    logon_monitor_interval = SecondsField(label="Logon monitor", help_text="How often the host is asked who is there.")
    secret_view_timeout = SecondsField(help_text="How long a secret is shown.")
    tiers = forms.TypedChoiceField(
        label="Tiers",
        coerce=int,
        choices=[(0, "No approval is needed"), (1, "One tier"), (2, "Two tiers"), (3, "Three tiers")],
        initial=0,
        help_text="The tiers are asked one after the other.",
    )
    sections = (
        ("Extension", ("extension_limit", "extension_by")),
        ("Asked of the person", ("notes_required", "ticket_required", "confirm_at_start", "confirm_at_connect")),
        ("Approval", ("tiers", "approval_timeout")),
        *((f"Tier {number}", _of_tier(number)) for number in TIERS),
        (
            "Through the gateway",
            ("record", "record_input", "recording_days", "tcp_targets", "terminal_language"),
        ),
        ("Watching", ("logon_monitor_interval", "secret_view_timeout", "keep_home", "compare_host")),
    )
    choices_that_ask = ("extension_limit", "tiers", "record")

    class Meta:
        model = ConnectionProfile
        fields = (
            *("name", "maximum_duration", "end_notice", "extension_limit", "extension_by"),
            *("notes_required", "ticket_required", "confirm_at_start", "confirm_at_connect", "approval_timeout"),
            *("record", "record_input", "recording_days"),
            *("tcp_targets", "terminal_language", "logon_monitor_interval", "secret_view_timeout"),
            *("keep_home", "compare_host"),
        )

    def __init__(self, data: Any = None, *, instance: Any = None, initial: Any = None) -> None:
        stored = _stored_tiers(instance) if instance is not None else {}
        super().__init__(data, instance=instance, initial={**stored, **(initial or {})})

    def add_fields(self) -> None:
        """Add the fields of each tier."""
        for number in TIERS:
            required, users, groups = _of_tier(number)
            self.fields[required] = forms.IntegerField(
                label="How many must approve", min_value=1, max_value=100, initial=1
            )
            self.fields[users] = users_field(label="People who may approve", required=False)
            self.fields[groups] = groups_field(label="Groups whose members may approve", required=False)

    def unneeded(self) -> Collection[str]:
        """Return the fields of tiers, extensions and recordings that there are not."""
        count, limit = _number(self.value("tiers")), _number(self.value("extension_limit"))
        found = {name for number in TIERS if number > count for name in _of_tier(number)}
        found |= set() if count else {"approval_timeout"}
        found |= set() if limit else {"extension_by"}
        return found | (set() if self.value("record") else {"record_input", "recording_days"})

    def clean(self) -> dict[str, Any] | None:
        """Refuse tiers that no request could ever pass."""
        values = super().clean()
        for number in range(1, self.cleaned_data.get("tiers", 0) + 1):
            required, users, groups = (self.cleaned_data.get(name) for name in _of_tier(number))
            name_of_users = _of_tier(number)[1]
            if users is None or groups is None:
                continue  # what was chosen has an error of its own
            if not users and not groups:
                self.add_error(name_of_users, f"Tier {number} has no approver. Choose people or groups.")
            elif not groups and required and len(users) < required:
                text = f"Tier {number} needs {required} approvals, but it has only {len(users)} approvers."
                self.add_error(name_of_users, text)
        return values

    def save_for(self, actor: Any) -> ConnectionProfile:
        """Save the profile and its tiers."""
        profile: ConnectionProfile = self.save()
        count = self.cleaned_data["tiers"]
        for tier in profile.tiers.filter(order__gt=count):
            tier.delete()
        for number in range(1, count + 1):
            required, users, groups = (self.cleaned_data[name] for name in _of_tier(number))
            tier, _ = ApprovalTier.objects.update_or_create(
                profile=profile, order=number, defaults={"required": required}
            )
            tier.users.set(users)
            tier.groups.set(groups)
        return profile


def _stored_tiers(profile: ConnectionProfile) -> dict[str, Any]:
    """Return the initial values of the fields of the tiers."""
    tiers = profile.tiers.prefetch_related("users", "groups").order_by("order")
    values: dict[str, Any] = {}
    for number, tier in enumerate(tiers, start=1):
        required, users, groups = _of_tier(number)
        values |= {required: tier.required, users: list(tier.users.all()), groups: list(tier.groups.all())}
        values["tiers"] = number
    return values


def _number(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
