"""The form of an access policy, which reads as a sentence: who may do what where, under which connection profile."""

from __future__ import annotations

from typing import Any

from django import forms

from sessions_app.catalogue.models import AccessPolicy, Activity, ConnectionProfile, Resource
from sessions_app.choosing import ChosenField, groups_field, users_field
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.privileged.policy_effects import Effects, Selection, effects_of

PARTS = ("users", "groups", "activities", "resources")


class PolicyForm(ConfigurationForm):
    """The form of an access policy. Without a name it gets one that is made from the sentence."""

    help = ("lifecycle", "write-an-access-policy", "How to write an access policy")
    name = forms.CharField(
        max_length=120, required=False, help_text="Leave it empty to use the name that is suggested."
    )
    users = users_field(required=False, label="People")
    groups = groups_field(required=False)
    activities = ChosenField(
        Activity.objects.order_by("name"),
        search=("name", "description"),
        nouns="activities",
        hint=lambda one: one.get_platform_display() + ("" if one.is_active else ", inactive"),
        required=False,
    )
    resources = ChosenField(
        Resource.objects.order_by("name"),
        search=("name", "address", "description"),
        nouns="resources",
        hint=lambda one: one.get_platform_display() + ("" if one.is_active else ", inactive"),
        required=False,
    )

    profile = forms.ModelChoiceField(
        ConnectionProfile.objects.order_by("name"),
        label="Connection profile",
        empty_label="Choose a profile",
        error_messages={"required": "Choose the connection profile."},
    )

    class Meta:
        model = AccessPolicy
        fields = (*PARTS, "profile", "name", "priority", "is_active", "keeps_open_sessions")

    @property
    def effects(self) -> Effects:
        """Return what the form would give as it is filled in now."""
        if not hasattr(self, "_effects"):
            self._effects = effects_of(self._selection())
        return self._effects

    def clean(self) -> dict[str, Any] | None:
        """Give the policy its name. Refuse it if it would give nobody anything, unless it is inactive.

        A policy whose group became empty can so be switched off.
        """
        values = super().clean() or {}
        for field, reason in self.effects.refusals if values.get("is_active") else ():
            if field not in self.errors:
                self.add_error(field, reason)
        if not values.get("name") and "name" not in self.errors:
            values["name"] = self.effects.suggested_name
            if not values["name"] and not self.errors:
                self.add_error("name", "Enter a name: none can be suggested yet.")
        return values

    def _selection(self) -> Selection:
        """Return what is chosen so far, which is perhaps not valid."""
        keys = {}
        for name in PARTS:
            bound = self[name]
            field = bound.field
            assert isinstance(field, ChosenField)  # noqa: S101 - for the type checker
            keys[name] = field.keys_so_far(bound.data) if self.is_bound else field.current
        profile, priority = self.value("profile"), self.value("priority")
        return Selection(
            **keys,
            profile_id=_number(getattr(profile, "pk", profile)),
            priority=_number(priority) or 0,
            name=str(self.value("name") or "").replace("\x00", "").strip(),
            is_active=bool(self.value("is_active")),
            pk=self.instance.pk,
        )


def _number(value: Any) -> int | None:
    text = str(value or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
