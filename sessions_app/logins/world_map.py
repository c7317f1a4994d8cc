"""The map of logins: an inline SVG, drawn from our own land outline. Nothing is fetched from anywhere.

Knows places as points with a number of logins; where they come from is the caller's business. The land is
_world_land.svg (scripts/draw_world_map.py), the rest _world_map.svg, both in templates/sessions_app/logins/.
Style it with the classes world-map, world-map-land, world-map-marker; it is legible without any style sheet.
A marker that is a link has an invisible world-map-target around it, large enough for a finger or an unsteady hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT = 1000, 500  # equirectangular: 1 unit is 0.36 degrees both ways
SMALLEST_RADIUS, LARGEST_RADIUS = 5.0, 22.0
TARGET_RADIUS = 16.0  # of what can be clicked: 24 pixels across (WCAG 2.5.8) at a width of 750
NAMED_PLACES = 20  # in the text for screen readers; the rest is counted


@dataclass(frozen=True)
class MapMarker:
    """One place and how many logins are there. With `url` the marker is a link to them."""

    label: str
    latitude: float
    longitude: float
    count: int
    url: str = ""

    @property
    def title(self) -> str:
        """ "Bern, Switzerland: 3 logins"."""
        return f"{self.label}: {self.count:,} {'login' if self.count == 1 else 'logins'}"

    @property
    def x(self) -> str:
        """Horizontal position in the drawing, as SVG wants it whatever the language."""
        return f"{(self.longitude + 180) / 360 * WIDTH:.1f}"

    @property
    def y(self) -> str:
        """Vertical position in the drawing."""
        return f"{(90 - self.latitude) / 180 * HEIGHT:.1f}"

    @property
    def radius(self) -> str:
        """Grows with every tenfold number of logins, so that 3 and 3,000 fit on one map."""
        return f"{min(LARGEST_RADIUS, SMALLEST_RADIUS * (1 + math.log10(max(self.count, 1)))):.1f}"

    @property
    def target_radius(self) -> str:
        """Of the area that can be clicked; never less than what can be seen."""
        return f"{max(TARGET_RADIUS, float(self.radius)):.1f}"

    @property
    def is_on_the_map(self) -> bool:
        """Whether the coordinates are possible and there is something to show."""
        return self.count > 0 and abs(self.latitude) <= 90 and abs(self.longitude) <= 180


def world_map_svg(places: Sequence[MapMarker]) -> SafeString:
    """The map with a marker per place. Impossible coordinates are left out, small markers lie above large ones."""
    markers = sorted((place for place in places if place.is_on_the_map), key=lambda place: -place.count)
    svg = render_to_string(
        "sessions_app/logins/_world_map.svg",
        {
            "width": WIDTH,
            "height": HEIGHT,
            "markers": markers,
            "description": describe(markers),
            # A picture hides its links from screen readers, a group does not.
            "role": "group" if any(marker.url for marker in markers) else "img",
        },
    )
    return mark_safe(svg.strip())  # noqa: S308 - rendered by a template that escapes


def describe(markers: Sequence[MapMarker]) -> str:
    """The map in words."""
    if not markers:
        return "World map: no login from a known place"
    named = [marker.title for marker in markers[:NAMED_PLACES]]
    more = len(markers) - len(named)
    if more:
        named.append(f"and {more:,} more {'place' if more == 1 else 'places'}")
    return f"World map of logins. {'; '.join(named)}"
