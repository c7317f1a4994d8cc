"""What the lists of resources and activities can be narrowed by."""

from __future__ import annotations

import django_filters

from activity.listing.filterset import QuickFilterSet
from sessions_app.filters.sessions import AnyStatusFilters
from sessions_app.models import Platform


class PlatformFilter(QuickFilterSet):
    """Platform."""

    platform = django_filters.ChoiceFilter(choices=Platform.choices, empty_label="Any platform", label="Platform")


class SessionsOnOneResourceFilter(AnyStatusFilters):
    """As on every list of sessions; a page about one resource needs no filter for hosts."""

    host = None
