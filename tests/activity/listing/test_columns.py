"""How one cell is written: times, durations, links, badges, and what is not there."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from django.conf import settings as project
from django.utils import timezone

from activity.listing import badge, empty, link, moment, span_of_time
from activity.listing.columns import COLOURED
from activity.tables import LEVEL_BADGES
from sessions_app.logins.tables import DEVICE_ICONS
from sessions_app.pages.health import BADGES
from sessions_app.privileged.tables import ICONS as SESSION_ICONS

SVG = "{http://www.w3.org/2000/svg}"
SPRITE = Path(project.BASE_DIR) / "static" / "icons.svg"


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


def test_a_badge_has_icon_text_and_colour() -> None:
    shown = badge("locked", "Locked <now>", "lock")
    assert "badge-locked" in shown
    assert "i-lock" in shown
    assert "Locked &lt;now&gt;" in shown


def test_a_badge_names_its_colour_where_the_style_sheet_has_one() -> None:
    css = SPRITE.with_name("badges.css").read_text()
    assert set(re.findall(r"\.badge-([a-z_]+)", css)) == COLOURED
    assert "badge-locked" in badge("locked", "Locked", "lock")
    assert "badge-complete" not in badge("complete", "Complete", "flag")


def test_every_symbol_of_the_sprite_is_a_drawing_of_its_own() -> None:
    symbols = ElementTree.parse(SPRITE).getroot().findall(f"{SVG}symbol")  # noqa: S314 - our own file
    names = [symbol.get("id") for symbol in symbols]
    assert len(set(names)) == len(names) > 20
    assert all(len(symbol) > 0 and symbol.get("viewBox") == "0 0 16 16" for symbol in symbols)
    assert len({ElementTree.tostring(symbol[0]) + bytes(len(symbol)) for symbol in symbols}) > 20


def test_every_symbol_of_the_sprite_is_shown_by_a_page_or_a_badge() -> None:
    templates = Path(project.BASE_DIR) / "templates"
    named = {
        name
        for path in templates.rglob("*.html")
        for name in re.findall(r"icons\.svg['\"] %}#([a-z-]+)", path.read_text())
    }
    drawn = set(re.findall(r"\.i-([a-z-]+) {", SPRITE.with_name("badges.css").read_text()))
    assert set(re.findall(r'<symbol id="([^"]+)"', SPRITE.read_text())) == named | drawn


def test_every_badge_has_its_drawing_and_it_is_that_of_the_sprite() -> None:
    symbols = {
        symbol["id"]: (symbol["attributes"], symbol["drawing"])
        for symbol in re.finditer(
            r'<symbol id="(?P<id>[^"]+)" (?P<attributes>[^>]*)>(?P<drawing>.*)</symbol>', SPRITE.read_text()
        )
    }
    css = SPRITE.with_name("badges.css").read_text()
    drawn = {
        name: (attributes.replace("'", '"').replace("black", "currentColor"), drawing.replace("'", '"'))
        for name, attributes, drawing in re.findall(
            r"\.i-([a-z-]+) \{ --icon: url\(\"data:image/svg\+xml,<svg xmlns='[^']+' ([^>]*)>(.*)</svg>\"\); \}", css
        )
    }
    assert drawn == {name: symbols[name] for name in drawn}
    of_badges = {
        *SESSION_ICONS.values(),
        *DEVICE_ICONS.values(),
        *(icon_name for _, icon_name in LEVEL_BADGES.values()),
        *(icon_name for _, _, icon_name in BADGES.values()),
        *("play", "trash", "question"),  # recordings; a device that nobody knows
    }
    assert of_badges <= set(drawn)
