"""What administrators add, change and delete in the catalogue. The forms are in sessions_app/catalogue/."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from activity.typed import typed
from sessions_app.catalogue.activity_forms import ActivityForm
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.catalogue.profile_forms import TEMPLATES, ProfileForm
from sessions_app.catalogue.resource_forms import ResourceForm
from sessions_app.choosing import KEY
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.configuration.views import Configuration
from sessions_app.pages.catalogue import tables
from sessions_app.pages.catalogue.policy_form import PARTS, PolicyForm


class ResourceConfiguration(Configuration):
    """Manages hosts and vaults."""

    model = Resource
    form = ResourceForm
    name = "resource"
    list_name = "resources"

    def visible(self, person: AbstractUser) -> QuerySet[Any]:
        """Return the resources that the person may see."""
        return tables.visible_resources(person)

    def said(self, thing: Model, *, is_new: bool) -> list[tuple[str, str]]:
        """Return what was saved, and for a host what to do next."""
        lines = super().said(thing, is_new=is_new)
        if isinstance(thing, Resource) and thing.capabilities.is_host:
            lines.append(("info", "Test the connection now: the button is on this page."))
        return lines


class ActivityConfiguration(Configuration):
    """Manages the named kinds of privileged work."""

    model = Activity
    form = ActivityForm
    name = "activity_kind"
    list_name = "activity_kinds"

    def visible(self, person: AbstractUser) -> QuerySet[Any]:
        """Return the activities that the person may see."""
        return tables.visible_activities(person)


class ProfileConfiguration(Configuration):
    """Manages connection profiles with their approval tiers."""

    model = ConnectionProfile
    form = ProfileForm
    name = "profile"
    list_name = "profiles"
    instead = "Give those another profile first, or leave it."
    parts = (ApprovalTier,)
    ends_sessions = False
    template = "sessions_app/pages/catalogue/profile_form.html"

    def visible(self, person: AbstractUser) -> QuerySet[Any]:
        """Return the profiles that the person may see."""
        return tables.visible_profiles(person)

    def initial(self, request: HttpRequest) -> dict[str, Any]:
        """Return the values of the template that the address names."""
        return TEMPLATES.get(typed(request.GET, "template"), {})

    def context(self, request: HttpRequest, form: ConfigurationForm) -> dict[str, Any]:
        """Return the templates that a new profile can start from."""
        is_new = form.instance.pk is None
        return {"templates": [(key, values["name"]) for key, values in TEMPLATES.items()] if is_new else []}


class PolicyConfiguration(Configuration):
    """Manages who may do what where, under which connection profile."""

    model = AccessPolicy
    form = PolicyForm
    name = "policy"
    list_name = "policies"
    template = "sessions_app/pages/catalogue/policy_form.html"
    fields_template = "sessions_app/pages/catalogue/policy_fields.html"

    def initial(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the address chooses already, for instance ?users=7,8&activities=3."""
        sent = {name: typed(request.GET, name).split(",") for name in (*PARTS, "profile")}
        keys = {name: [int(key) for key in values if KEY.fullmatch(key)] for name, values in sent.items()}
        profiles = keys.pop("profile")
        return {**keys, "profile": profiles[0] if profiles else None}


ACTIVITIES = ActivityConfiguration()
RESOURCES = ResourceConfiguration()
PROFILES = ProfileConfiguration()
POLICIES = PolicyConfiguration()
