"""What the lists of resources and activities can be narrowed by."""

from __future__ import annotations

import django_filters

from activity.listing.filterset import QuickFilterSet
from sessions_app.catalogue.models import Platform
from sessions_app.privileged.filters import AnyStatusFilters


class PlatformFilter(QuickFilterSet):
    """Platform."""

    platform = django_filters.ChoiceFilter(choices=Platform.choices, empty_label="Any platform", label="Platform")


class SessionsOnOneResourceFilter(AnyStatusFilters):
    """As on every list of sessions; a page about one resource needs no filter for hosts."""

    host = None
