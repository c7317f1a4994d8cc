"""Filters of the lists of resources and activities, and of the sessions on one resource."""

from __future__ import annotations

import django_filters

from activity.listing.filterset import KeptFilterSet
from sessions_app.catalogue.models import Platform
from sessions_app.privileged.filters import AnyStatusFilters


class PlatformFilter(KeptFilterSet):
    """The filter of the lists of resources and activities: their platform."""

    platform = django_filters.ChoiceFilter(choices=Platform.choices, empty_label="Any platform", label="Platform")


class SessionsOnOneResourceFilter(AnyStatusFilters):
    """The filters of every list of sessions, without the one for hosts."""

    host = None
