"""How times are written for people: in full, without the date if it is today's, or counted from now."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ElementTree

import pytest
from django.template import Context, Template
from django.utils import timezone

from activity.listing import counted_time, exact_time, moment, relative_time, short_time
from activity.listing.times import EMPTY, in_one_zone, relative_words

NOW = dt.datetime(2026, 11, 29, 15, 10, 22, tzinfo=dt.UTC)


def test_a_time_of_today_has_no_date_and_tells_the_exact_time_on_hover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    with timezone.override("UTC"):
        assert short_time(NOW) == '<time title="2026-11-29 15:10:22 UTC">15:10:22</time>'
        assert short_time(NOW - dt.timedelta(days=1)) == "2026-11-28 15:10:22"
        assert short_time(None) == EMPTY


def test_today_is_the_viewers_and_so_is_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    with timezone.override("Asia/Tokyo"), in_one_zone():
        assert short_time(NOW) == '<time title="2026-11-30 00:10:22 JST">00:10:22</time>'
        assert short_time(NOW - dt.timedelta(hours=1)) == "2026-11-29 23:10:22"
        assert moment(NOW) == "2026-11-30 00:10:22"
    with timezone.override("America/Sao_Paulo"):  # a zone without a short name
        assert exact_time(NOW) == "2026-11-29 12:10:22 UTC-03"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3 * 86400, "3 d ago"),
        (-2 * 3600 - 5, "2 h ago"),
        (-80 * 60, "1 h 20 min ago"),
        (-60, "1 min ago"),
        (0, "just now"),
        (30, "in less than 1 min"),
        (24 * 60 + 5, "in 23 min"),  # this minute is not promised
        (81 * 60, "in 1 h 20 min"),
        (47 * 3600, "in 46 h"),
        (50 * 3600, "in 2 d"),
    ],
)
def test_a_time_is_counted_from_now(seconds: int, words: str) -> None:
    assert relative_words(NOW + dt.timedelta(seconds=seconds), NOW) == words


def test_all_words_of_a_page_change_together_when_a_minute_begins() -> None:
    times = [NOW + dt.timedelta(seconds=seconds) for seconds in range(-200, 200, 7)]
    minute = NOW.replace(second=0)
    for second in (0, 1, 59):
        now = minute + dt.timedelta(seconds=second)
        ahead = [relative_words(time, now) for time in times if time > minute + dt.timedelta(minutes=1)]
        assert ahead == [relative_words(time, minute) for time in times if time > minute + dt.timedelta(minutes=1)]


def test_the_exact_time_of_a_relative_one_is_reached_by_mouse_and_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    end = NOW + dt.timedelta(minutes=24)
    with timezone.override("Europe/Zurich"):
        shown = ElementTree.fromstring(relative_time(end, "ends-in"))  # noqa: S314 - our own markup
        assert shown.text == "in 23 min"
        assert shown.attrib == {
            "class": "relative",
            "id": "ends-in",
            "tabindex": "0",
            "datetime": "2026-11-29T15:34:22Z",
            "title": "2026-11-29 16:34:22 CET",
        }
        in_list = counted_time(end)
        assert in_list == '<time title="2026-11-29 16:34:22 CET">16:34:22</time> <small>in 23 min</small>'
    assert relative_time(None) == EMPTY


def test_templates_write_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    template = Template("{% load console_tags %}{{ at|short_time }} {{ at|relative_time:'a' }} {{ none|short_time }}")
    with timezone.override("UTC"):
        written = template.render(Context({"at": NOW, "none": None}))
        assert written == f"{short_time(NOW)} {relative_time(NOW, 'a')} {EMPTY}"
