"""Durations as people type them, and what the server says to them while they type."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from sessions_app.configuration.durations import BadDuration, in_words, read_duration, write_duration


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [
        ("60 min", 60),
        ("1h", 60),
        ("2 h 30", 150),
        ("2h30", 150),
        ("2 h 30 min", 150),
        ("2:30", 150),
        ("02:30:00", 150),
        ("1 day", 1440),
        ("1 day 2", 1560),
        ("1 day, 2 hours and 5 minutes", 1565),
        ("1.5 h", 90),
        ("1,5 Hours", 90),
        ("90 s", 1.5),
        ("1 week", 10080),
        (" 2  h ", 120),
        ("0 s", 0),
    ],
)
def test_a_duration_is_read_as_people_say_it(typed: str, minutes: float) -> None:
    value = read_duration(typed)
    assert value == dt.timedelta(minutes=minutes)
    assert read_duration(write_duration(value)) == value


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("60", "Add the unit: 60 min, or 60 h?"),
        ("soon", "“soon” cannot be read as a duration. Write for instance 30 min, 2 h, 2 h 30 or 1 day."),
        ("5 parsecs", "“5 parsecs” cannot be read"),
        ("-5 min", "“-5 min” cannot be read"),
        ("30 min 2 h", "Write the larger unit first and each unit once"),
        ("2 h 2 h", "Write the larger unit first and each unit once"),
        ("2 h 30 5", "Add the unit: 30 min, or 30 h?"),
        ("30 s 5", "Add the unit: 5 min, or 5 h?"),
        ("", "Write a duration"),
        ("999999999 days", "Write at most 3650 days."),
        ("1" * 100, "Write a shorter text"),
        ("٣ min", "cannot be read"),
        ("1,000 min", "“1,000” could be a thousand or a fraction."),
        ("1.000 min", "“1.000” could be a thousand or a fraction."),
    ],
)
def test_what_is_no_duration_is_refused_with_what_to_write(typed: str, problem: str) -> None:
    with pytest.raises(BadDuration, match=r".") as refused:
        read_duration(typed)
    assert str(refused.value).startswith(problem) or problem in str(refused.value)


def test_a_duration_is_said_in_whole_words() -> None:
    assert in_words(dt.timedelta(minutes=60)) == "1 hour"
    assert in_words(dt.timedelta(days=2, hours=1, minutes=30, seconds=1)) == "2 days 1 hour 30 minutes 1 second"
    assert in_words(dt.timedelta(0)) == "no time"


def test_the_server_says_how_it_reads_what_is_typed(boss: Client) -> None:
    for sent, said in {
        "60 min": "= 1 hour",
        "60": "Add the unit: 60 min, or 60 h?",
        "": "",
        "<b>": "“&lt;b&gt;”",
    }.items():
        answer = boss.get("/durations/", {"maximum_duration": sent})
        assert answer.status_code == 200
        assert answer.content.decode().startswith(said)
    assert boss.get("/durations/", {"x": "1\x00"}).status_code == 400
