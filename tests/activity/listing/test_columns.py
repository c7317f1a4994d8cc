"""How one cell is written: times, durations, links, badges, and missing values."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ElementTree
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings as project
from django.utils import timezone

from activity.listing import Column, badge, empty, link, moment, span_of_time
from activity.listing.columns import COLOURED
from activity.listing.csv import neutral
from activity.tables import LEVEL_BADGES
from sessions_app.logins.marks import DEVICE_ICONS
from sessions_app.pages.health import BADGES
from sessions_app.pages.main_menu import GROUPS, OVERVIEW
from sessions_app.privileged.status_badges import ICONS as SESSION_ICONS

CSS = Path(project.BASE_DIR) / "static" / "badges.css"


def test_text_is_escaped_and_nothing_is_a_dash() -> None:
    assert "<script>" not in link("/a/?b=1&c=2", "<script>")
    assert link("/a/?b=1&c=2", "x") == '<a href="/a/?b=1&amp;c=2">x</a>'
    assert link("", "<b>") == "&lt;b&gt;"
    assert empty("x") == "x"
    assert empty(0) == "0"
    assert empty("") == empty(None)
    assert empty("") == "–"


def test_a_moment_is_in_the_viewers_zone_and_exact_to_the_second() -> None:
    when = dt.datetime(2026, 3, 29, 0, 59, 59, tzinfo=dt.UTC)
    with timezone.override("Europe/Zurich"):
        text = moment(when)
    assert text == "2026-03-29 01:59:59"
    assert moment(None) == empty(None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (86400, "1 d 00 h"),
        (100 * 86400 + 3600, "100 d 01 h"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert span_of_time(dt.timedelta(seconds=seconds)) == text


def test_a_neighbour_that_is_missing_is_an_empty_cell() -> None:
    column = Column("owner", "Owner", "application__owner__username")
    there = SimpleNamespace(application=SimpleNamespace(owner=SimpleNamespace(username="carol")))
    assert (column.value(there), column.write(there)) == ("carol", "carol")
    for missing in (
        SimpleNamespace(application=None),
        SimpleNamespace(application=SimpleNamespace(owner=None)),
    ):
        assert column.value(missing) is None
        assert neutral(column.value(missing)) == ""
        assert column.write(missing) == empty("")


def test_a_badge_has_icon_text_and_colour() -> None:
    shown = badge("locked", "Locked <now>", "lock")
    assert "badge-locked" in shown
    assert "i-lock" in shown
    assert "Locked &lt;now&gt;" in shown


def test_a_badge_names_its_colour_where_the_style_sheet_has_one() -> None:
    css = CSS.read_text()
    assert set(re.findall(r"\.badge-([a-z_]+)", css)) == COLOURED
    assert "badge-locked" in badge("locked", "Locked", "lock")
    assert "badge-complete" not in badge("complete", "Complete", "flag")


def drawings() -> dict[str, str]:
    """Return each drawing of the style sheet by its name."""
    found = re.findall(r"\.i-([a-z-]+) \{ --icon: url\(\"data:image/svg\+xml,(<svg .*</svg>)\"\); \}", CSS.read_text())
    assert len(dict(found)) == len(found) > 20
    return dict(found)


def test_each_icon_is_drawn_once() -> None:
    for drawing in drawings().values():
        svg = ElementTree.fromstring(drawing)  # noqa: S314 - our own file
        assert svg.get("viewBox") == "0 0 16 16"
        assert len(svg) > 0
    assert len(set(drawings().values())) == len(drawings())
    assert list((Path(project.BASE_DIR) / "static").glob("icons*")) == []


def test_every_icon_is_shown_by_a_page_or_a_badge() -> None:
    templates = Path(project.BASE_DIR) / "templates"
    text = "".join(path.read_text() for path in templates.rglob("*.html"))
    named = {*re.findall(r"_icon\.html['\"] with name=['\"]([a-z-]+)", text), *re.findall(r"badge i-([a-z-]+)", text)}
    named |= set(re.findall(r"badge [a-z-]+ i-([a-z-]+)", text))
    of_badges = {
        *SESSION_ICONS.values(),
        *DEVICE_ICONS.values(),
        *(icon_name for _, icon_name in LEVEL_BADGES.values()),
        *(icon_name for _, _, icon_name in BADGES.values()),
        *("play", "trash", "question", "globe"),  # recordings; a device that nobody knows; a login from abroad
    }
    of_menu = {each.icon for each in (OVERVIEW, *chain.from_iterable(links for _, links in GROUPS))}
    of_column_menu = {"left", "right"}
    assert set(drawings()) == named | of_badges | of_menu | of_column_menu
