"""Draws the map of logins as an inline SVG. Nothing is fetched from other servers.

It knows places as points with a number of logins. The land is _world_land.svg (scripts/draw_world_map.py) and the rest
_world_map.svg, both in templates/sessions_app/logins/. The classes world-map, world-map-land and world-map-marker style
it, and it is legible without a style sheet. A marker that is a link has an invisible world-map-target around it, which
is large enough for a finger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT = 1000, 500  # equirectangular: 1 unit is 0.36 degrees both ways
SMALLEST_RADIUS, LARGEST_RADIUS = 5.0, 22.0
TARGET_RADIUS = 16.0  # a target of 24 pixels (WCAG 2.5.8) at a width of 750 pixels
NAMED_PLACES = 20  # named in the text for screen readers; the others are counted


@dataclass(frozen=True)
class MapMarker:
    """One place and the number of logins there. With a `url` the marker is a link to them."""

    label: str
    latitude: float
    longitude: float
    count: int
    url: str = ""

    @property
    def title(self) -> str:
        """Return the title, for example "Bern, Switzerland: 3 logins"."""
        return f"{self.label}: {self.count:,} {'login' if self.count == 1 else 'logins'}"

    @property
    def x(self) -> str:
        """Return the horizontal position in the drawing, written as SVG needs it in every language."""
        return f"{(self.longitude + 180) / 360 * WIDTH:.1f}"

    @property
    def y(self) -> str:
        """Return the vertical position in the drawing."""
        return f"{(90 - self.latitude) / 180 * HEIGHT:.1f}"

    @property
    def radius(self) -> str:
        """Return a radius that grows with every tenfold number of logins, so that 3 and 3,000 fit on one map."""
        return f"{min(LARGEST_RADIUS, SMALLEST_RADIUS * (1 + math.log10(max(self.count, 1)))):.1f}"

    @property
    def target_radius(self) -> str:
        """Return the radius of the area that can be clicked, which is never smaller than the marker."""
        return f"{max(TARGET_RADIUS, float(self.radius)):.1f}"

    @property
    def is_on_the_map(self) -> bool:
        """Return whether the coordinates are valid and there is at least one login."""
        return self.count > 0 and abs(self.latitude) <= 90 and abs(self.longitude) <= 180


def world_map_svg(places: Sequence[MapMarker]) -> SafeString:
    """Return the map with a marker for each place.

    Invalid coordinates are left out. Small markers are drawn over large ones.
    """
    markers = sorted((place for place in places if place.is_on_the_map), key=lambda place: -place.count)
    svg = render_to_string(
        "sessions_app/logins/_world_map.svg",
        {
            "width": WIDTH,
            "height": HEIGHT,
            "markers": markers,
            "description": describe(markers),
            # The role img would hide the links from screen readers, and the role group does not.
            "role": "group" if any(marker.url for marker in markers) else "img",
        },
    )
    return mark_safe(svg.strip())  # noqa: S308 - rendered by a template that escapes


def describe(markers: Sequence[MapMarker]) -> str:
    """Return the content of the map in words."""
    if not markers:
        return "World map: no login from a known place"
    named = [marker.title for marker in markers[:NAMED_PLACES]]
    more = len(markers) - len(named)
    if more:
        named.append(f"and {more:,} more {'place' if more == 1 else 'places'}")
    return f"World map of logins. {'; '.join(named)}"
