"""Generates login sessions. One of ten is live, and the others have ended after some hours."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import random
from collections.abc import Iterator

from benchmarks.volume import bulk
from benchmarks.volume.population import Population
from benchmarks.volume.timestamps import text_of, timestamps
from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES, SamplePlace
from sessions_app.logins.models import EndReason
from sessions_app.sample.browsers import BROWSERS

PLACE = ("city", "region", "country", "country_code", "latitude", "longitude", "accuracy_km")
DEVICE = tuple(field.name for field in dataclasses.fields(BROWSERS[0][1]))
COLUMNS = (
    "user_id",
    "user_name",
    "key_hash",
    "ip",
    *PLACE,
    "is_abroad",
    "user_agent",
    *DEVICE,
    "created_at",
    "last_access_at",
    "ended_at",
    "end_reason",
)
DAY = 86400


def rows(
    count: int,
    start: dt.datetime,
    end: dt.datetime,
    population: Population,
    chance: random.Random,
    seed: int,
    before: int,
) -> Iterator[bulk.Row]:
    """Yield `count` rows for `COLUMNS`, in the order of their logins. No browser has the keys of their hashes.

    It makes no query, because the database may be busy inserting the rows.
    """
    places = [(place, _values(place)) for place in SAMPLE_PLACES]
    browsers = [(agent, *dataclasses.astuple(device)) for agent, device in BROWSERS]
    now = end.timestamp()
    rnd = chance.random
    for number, moment in enumerate(timestamps(count, start, end, chance)):
        is_live = number * 10 >= count * 9  # the newest
        place, where = places[int(len(places) * rnd() ** 2)]
        last = min(moment + rnd() * DAY / 3, now)
        yield (
            *population.people[population.person(chance)],
            hashlib.sha256(f"{seed}/{before + number}".encode()).hexdigest(),
            place.address(int(rnd() * 250)),
            *where,
            number % 50 == 0,
            *browsers[int(len(browsers) * rnd() ** 2)],
            text_of(moment),
            text_of(now - rnd() * DAY if is_live and moment < now - DAY else last),
            None if is_live else text_of(last),
            "" if is_live else EndReason.EXPIRED.value if number % 3 else EndReason.LOGOUT.value,
        )


def _values(place: SamplePlace) -> tuple[str | float, ...]:
    return (
        place.city,
        place.region,
        place.country,
        place.country_code,
        place.latitude,
        place.longitude,
        place.radius_km,
    )
