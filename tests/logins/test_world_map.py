"""The map of logins shows every place where it is, says so in words, and brings nothing from outside."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.conf import settings

from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES
from sessions_app.logins.world_map import MapMarker, world_map_svg

BERN = MapMarker("Bern, Switzerland", 46.948, 7.4474, 3)


def drawn(*places: MapMarker) -> ElementTree.Element:
    """Return the map as parsed XML, which also proves that it is well-formed."""
    return ElementTree.fromstring(world_map_svg(places))  # noqa: S314 - our own output


def circles(svg: ElementTree.Element) -> dict[str, tuple[float, float, float]]:
    """Return centre and radius of every marker by its title."""
    return {
        circle.findtext("title", ""): (
            float(circle.attrib["cx"]),
            float(circle.attrib["cy"]),
            float(circle.attrib["r"]),
        )
        for circle in svg.iter("circle")
        if circle.attrib["class"] == "world-map-marker"
    }


def test_a_marker_stands_where_the_place_is_and_says_how_many_logins() -> None:
    assert circles(drawn(BERN)) == {"Bern, Switzerland: 3 logins": (520.7, 119.6, 7.4)}


def test_one_login_is_not_called_logins() -> None:
    assert list(circles(drawn(MapMarker("Bern", 0, 0, 1)))) == ["Bern: 1 login"]


@pytest.mark.parametrize(
    ("latitude", "longitude", "x", "y"),
    [(90, -180, 0, 0), (-90, 180, 1000, 500), (0, 0, 500, 250), (-33.8679, 151.2073, 920.0, 344.1)],
)
def test_the_whole_world_fits(latitude: float, longitude: float, x: float, y: float) -> None:
    ((found_x, found_y, _),) = circles(drawn(MapMarker("Here", latitude, longitude, 1))).values()
    assert (found_x, found_y) == (x, y)


def test_more_logins_make_a_larger_marker_but_never_a_huge_one() -> None:
    radii = [circles(drawn(MapMarker("Here", 0, 0, count))) for count in (1, 2, 10, 10_000_000)]
    sizes = [radius for found in radii for (_, _, radius) in found.values()]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4
    assert sizes[-1] <= 22


def test_small_markers_lie_above_large_ones() -> None:
    titles = list(circles(drawn(MapMarker("Few", 0, 0, 1), MapMarker("Many", 0, 0, 50))))
    assert titles == ["Many: 50 logins", "Few: 1 login"]


def test_without_links_it_is_one_picture_with_a_text() -> None:
    svg = drawn(BERN, MapMarker("Tokyo, Japan", 35.7, 139.7, 1))
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == "World map of logins. Bern, Switzerland: 3 logins; Tokyo, Japan: 1 login"


def test_markers_with_an_address_are_links_that_a_screen_reader_reaches() -> None:
    svg = drawn(MapMarker("Bern, Switzerland", 46.9, 7.4, 3, "/logins/?q=Bern&x=1"))
    assert svg.attrib["role"] == "group"
    (link,) = svg.iter("a")
    assert link.attrib == {"href": "/logins/?q=Bern&x=1", "aria-label": "Bern, Switzerland: 3 logins"}
    assert [circle.attrib["class"] for circle in link.iter("circle")] == ["world-map-target", "world-map-marker"]


@pytest.mark.parametrize("count", [1, 3, 10_000_000])
def test_a_link_is_large_enough_to_hit(count: int) -> None:
    svg = drawn(MapMarker("Bern", 46.9, 7.4, count, "/logins/?q=Bern"))
    target, seen = next(svg.iter("a")).iter("circle")
    assert target.attrib["pointer-events"] == "all"
    assert (target.attrib["cx"], target.attrib["cy"]) == (seen.attrib["cx"], seen.attrib["cy"])
    assert float(target.attrib["r"]) >= max(12 / 0.832, float(seen.attrib["r"])), "the style sheet stops at 832 px"


def test_without_a_link_there_is_nothing_to_hit() -> None:
    assert [circle.attrib["class"] for circle in drawn(BERN).iter("circle")] == ["world-map-marker"]


def test_many_places_are_named_up_to_a_limit_and_counted_beyond() -> None:
    places = [MapMarker(f"Place {number}", 0, number / 10, 2) for number in range(500)]
    svg = drawn(*places)
    assert len(circles(svg)) == 500
    assert svg.attrib["aria-label"].endswith("and 480 more places")


def test_no_login_is_said_too() -> None:
    svg = drawn()
    assert circles(svg) == {}
    assert svg.attrib["aria-label"] == "World map: no login from a known place"


@pytest.mark.parametrize(
    "place",
    [
        MapMarker("Beyond", 91, 0, 1),
        MapMarker("Beyond", 0, -181, 1),
        MapMarker("Nowhere", float("nan"), 0, 1),
        MapMarker("Nowhere", 0, float("inf"), 1),
        MapMarker("Nobody", 0, 0, 0),
    ],
)
def test_impossible_places_are_left_out(place: MapMarker) -> None:
    assert list(circles(drawn(place, BERN))) == [BERN.title]


def test_names_from_the_database_cannot_break_out() -> None:
    nasty = '"><script>alert(1)</script>'
    svg = drawn(MapMarker(nasty, 0, 0, 1, f"/logins/?q={nasty}"))
    assert next(iter(circles(svg))).startswith(nasty)
    assert not list(svg.iter("script"))


def test_the_map_is_allowed_by_a_strict_policy_and_asks_nobody() -> None:
    html = world_map_svg([BERN, MapMarker("Tokyo", 35.7, 139.7, 1, "/logins/?q=Tokyo")])
    for forbidden in ("style=", "<style", "<script", " on", "javascript:", "http:", "https:", "url(", "<image", "<use"):
        assert forbidden not in html, forbidden


def test_the_land_is_there_small_and_inside_the_drawing() -> None:
    (land,) = drawn().iter("path")
    assert len(land.attrib["d"]) < 22_000
    points = list(land_points(land.attrib["d"]))
    assert len(points) > 1000
    assert all(-0.5 <= x <= 1000.5 and -0.5 <= y <= 500.5 for x, y in points)


def test_the_sample_cities_lie_on_land_or_at_its_shore() -> None:
    (land,) = drawn().iter("path")
    shore = list(land_points(land.attrib["d"]))
    for place in SAMPLE_PLACES:
        ((x, y, _),) = circles(drawn(MapMarker(place.city, place.latitude, place.longitude, 1))).values()
        nearest = min((x - a) ** 2 + (y - b) ** 2 for a, b in shore) ** 0.5
        assert is_inside(x, y, land.attrib["d"]) or nearest < 6, place.city


def test_the_drawing_says_where_it_comes_from() -> None:
    template = Path(settings.BASE_DIR) / "templates" / "sessions_app" / "logins" / "_world_land.svg"
    assert "Natural Earth" in template.read_text()


def land_rings(path: str) -> list[list[tuple[float, float]]]:
    """Return the rings of path data that consists of M and relative l commands."""
    rings = []
    for part in path.split("z")[:-1]:
        numbers = [float(number) for number in re.findall(r"-?\d*\.?\d+", part)]
        x, y = numbers[0], numbers[1]
        ring = [(x, y)]
        for step_x, step_y in zip(numbers[2::2], numbers[3::2], strict=True):
            x, y = x + step_x, y + step_y
            ring.append((x, y))
        rings.append(ring)
    return rings


def land_points(path: str) -> list[tuple[float, float]]:
    return [point for ring in land_rings(path) for point in ring]


def is_inside(x: float, y: float, path: str) -> bool:
    """Return whether a point is on land, by the even-odd rule of the drawing."""
    inside = False
    for ring in land_rings(path):
        for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                inside = not inside
    return inside
