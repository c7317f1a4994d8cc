"""Filters of the lists of users and applications. They use the annotations of pages/people/tables.py."""

from __future__ import annotations

import django_filters
from django.contrib.auth.models import Group

from activity.listing.filterset import KeptFilterSet
from sessions_app.privileged.filters import AnyStatusFilters

STATES = [("active", "Active"), ("locked", "Locked"), ("disabled", "Disabled")]


class UserFilter(KeptFilterSet):
    """Filters by role, state and group."""

    role = django_filters.ChoiceFilter(
        choices=[("administrator", "Administrator"), ("auditor", "Auditor"), ("user", "User")],
        empty_label="Any role",
        label="Role",
    )
    state = django_filters.ChoiceFilter(choices=STATES, empty_label="Any state", label="State")
    group = django_filters.ModelChoiceFilter(
        field_name="groups", queryset=Group.objects.order_by("name"), empty_label="Any group", label="Group"
    )


class ApplicationFilter(KeptFilterSet):
    """The filter of the list of applications: active or not."""

    state = django_filters.ChoiceFilter(choices=STATES, empty_label="Any state", label="State")


class SessionsOfOneUserFilter(AnyStatusFilters):
    """The filters of every list of sessions, without the one for users."""

    user = None
