"""Administration of resources, activities, connection profiles with their approval tiers, and access policies."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import DurationField, Model
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest

from sessions_app.admin.autocomplete import KeyAutocomplete
from sessions_app.admin.confirm_ended_sessions import ConfirmsEndedSessions
from sessions_app.admin.deletion_protection import ProtectedWhileInUse
from sessions_app.catalogue.connectors import offered_connectors
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.configuration.fields import DurationField as TypedDurationField

MOST_TIERS = 3


class ResourceAdminForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The form of a resource, on which the connector is chosen from those that are offered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = Resource._meta.get_field("connector")
        choices = [(name, name) for name in offered_connectors(self.instance.connector if self.instance.pk else "")]
        self.fields["connector"] = forms.ChoiceField(choices=choices, help_text=field.help_text, initial=field.default)


@admin.register(Resource)
class ResourceAdmin(ConfirmsEndedSessions, ProtectedWhileInUse):
    """Manages hosts and secret vaults."""

    list_display = ("name", "platform", "address", "port", "connector", "is_active")
    list_filter = ("platform", "connector", "is_active")
    search_fields = ("name", "address", "description")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "platform", "description", "is_active")}),
        ("Where it is", {"fields": ("address", "port", "host_key")}),
        ("How grants are made on it", {"fields": ("connector", "service_account", "service_auth", "service_key")}),
    )

    form = ResourceAdminForm


@admin.register(Activity)
class ActivityAdmin(ConfirmsEndedSessions, ProtectedWhileInUse):
    """Manages the named kinds of privileged work."""

    list_display = ("name", "platform", "login_account_template", "is_active")
    list_filter = ("platform", "is_active")
    search_fields = ("name", "description")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "platform", "description", "is_active")}),
        ("On the resource", {"fields": ("kind", "login_account_template", "unix_groups", "sudo_rule", "shell")}),
        ("Commands, and what a practice host shows", {"fields": ("grant_actions", "remove_actions")}),
    )


class TierFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # generic in the stubs only
    """The tiers of one profile, which are numbered from 1 without a gap and have enough approvers."""

    def clean(self) -> None:
        """Raise ValidationError if no request could ever pass the tiers."""
        super().clean()
        forms = [form for form in self.forms if form.has_changed() or form.instance.pk]
        forms = [form for form in forms if form.is_valid() and not form.cleaned_data.get("DELETE")]
        orders = sorted(form.cleaned_data["order"] for form in forms)
        if len(set(orders)) == len(orders) and orders != list(range(1, len(orders) + 1)):
            raise ValidationError("Number the tiers 1, 2, 3 without a gap: they are asked in this order.")
        for form in forms:
            tier = form.cleaned_data
            people, groups = tier.get("users") or (), tier.get("groups") or ()
            if not people and not groups:
                raise ValidationError(f"Tier {tier['order']} has no approver. Choose users or groups, or delete it.")
            if not groups and len(people) < tier["required"]:
                raise ValidationError(
                    f"Tier {tier['order']} needs {tier['required']} approvals, but it has only {len(people)} approvers."
                )


class TierInline(KeyAutocomplete, admin.StackedInline):  # type: ignore[type-arg]  # generic in the stubs only
    """The part of the profile's form in which its approval tiers are edited."""

    model = ApprovalTier
    formset = TierFormSet
    extra = 0
    max_num = MOST_TIERS
    autocomplete_fields = ("users", "groups")


@admin.register(ConnectionProfile)
class ConnectionProfileAdmin(ProtectedWhileInUse):
    """Manages the rules of session control, and who must approve a session."""

    instead = "Give those another profile first, or leave it."
    parts = (ApprovalTier,)
    list_display = (
        "name",
        "maximum_duration",
        "tier_count",
        "extension_limit",
        "notes_required",
        "ticket_required",
        "record",
    )
    list_filter = ("notes_required", "ticket_required", "confirm_at_start", "confirm_at_connect", "record")
    search_fields = ("name",)
    ordering = ("name",)
    inlines = (TierInline,)
    formfield_overrides = {DurationField: {"form_class": TypedDurationField}}
    fieldsets = (
        (None, {"fields": ("name", "maximum_duration", "end_notice")}),
        (
            "Asked of the person",
            {"fields": ("notes_required", "ticket_required", "confirm_at_start", "confirm_at_connect")},
        ),
        ("Extension", {"fields": ("extension_by", "extension_limit")}),
        ("Watching", {"fields": ("logon_monitor_interval", "secret_view_timeout", "keep_home", "compare_host")}),
        (
            "Through the gateway",
            {"fields": ("record", "record_input", "recording_days", "tcp_targets", "terminal_language")},
        ),
        ("Approval", {"fields": ("approval_timeout",)}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the profiles with their tiers, which the list counts."""
        return super().get_queryset(request).prefetch_related("tiers")

    @admin.display(description="approval tiers")
    def tier_count(self, profile: ConnectionProfile) -> int:
        """Return how many tiers a request must pass."""
        return len(profile.tiers.all())


@admin.register(AccessPolicy)
class AccessPolicyAdmin(KeyAutocomplete, ConfirmsEndedSessions, ProtectedWhileInUse):
    """Manages which users and groups may run which activities on which resources, under which profile."""

    list_display = ("name", "priority", "profile", "is_active")
    list_filter = ("is_active", "profile")
    list_select_related = ("profile",)
    search_fields = ("name", "profile__name")
    ordering = ("priority", "name")
    autocomplete_fields = ("users", "groups", "activities", "resources", "profile")
    fieldsets = (
        (None, {"fields": ("name", "priority", "is_active")}),
        ("Who", {"fields": ("users", "groups")}),
        ("May run what, where", {"fields": ("activities", "resources")}),
        ("Under which session control", {"fields": ("profile", "keeps_open_sessions")}),
    )

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what the confirmation of a deletion lists: the policies alone.

        Sessions refer to their policy, lose only this reference, and may be thousands.
        """
        names = [str(thing) for thing in objs]
        counts = {AccessPolicy._meta.verbose_name_plural: len(names)}
        protected: list[Model] = []
        return names, counts, set(), protected
