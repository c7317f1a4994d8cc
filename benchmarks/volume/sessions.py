"""Generates privileged sessions. All of them have ended long ago, so that no worker acts on them."""

from __future__ import annotations

import array
import dataclasses
import datetime as dt
import random
from collections.abc import Iterator

from django.db import connection

from benchmarks.volume import bulk
from benchmarks.volume.population import Population
from benchmarks.volume.timestamps import text_of, timestamps
from benchmarks.volume.words import word_of
from sessions_app.privileged.models import PrivilegedSession, Status

COLUMNS = (
    "user_id",
    "user_name",
    "requested_by_id",
    "resource_id",
    "resource_name",
    "activity_id",
    "activity_name",
    "policy_id",
    "profile_id",
    "maximum_duration",
    "login_account",
    "notes",
    "ticket_number",
    "status",
    "requested_at",
    "start_at",
    "end_at",
    "ended_at",
    "duration",
    "end_reason",
)
OUTCOMES = (Status.COMPLETE,) * 14 + (Status.CANCELED,) * 3 + (Status.DENIED, Status.FAILED, Status.APPROVAL_FAILED)
NEVER_BEGAN = frozenset({Status.DENIED, Status.FAILED, Status.APPROVAL_FAILED})
LONGEST = 480  # minutes, the maximum of the profile
NOTES = ("weekly maintenance", "ticket from the service desk", "alarm of the monitoring", "asked for by the owner")


@dataclasses.dataclass(frozen=True, slots=True)
class SessionParts:
    """The person, host and activity of each session, which its log entries repeat."""

    person: array.array[int]
    host: array.array[int]
    activity: array.array[int]


def rows(
    count: int,
    start: dt.datetime,
    end: dt.datetime,
    population: Population,
    chance: random.Random,
    parts: SessionParts,
    before: int,
) -> Iterator[bulk.Row]:
    """Yield `count` rows for `COLUMNS`, in the order of their requests.

    `parts` is filled at the same time, and `before` is how many sessions there are already. It makes no query, because
    the database may be busy inserting the rows.
    """
    field = PrivilegedSession._meta.get_field("duration")
    lasted = [field.get_db_prep_save(dt.timedelta(minutes=minutes), connection) for minutes in range(LONGEST + 1)]
    rnd = chance.random
    latest = end - dt.timedelta(minutes=2 * LONGEST)
    for number, moment in enumerate(timestamps(count, start, latest, chance)):
        person, host, activity = population.person(chance), int(len(population.hosts) * rnd() ** 2), int(rnd() * 8)
        parts.person.append(person)
        parts.host.append(host)
        parts.activity.append(activity)
        status = OUTCOMES[int(rnd() * 20)]
        minutes = 1 + int(rnd() ** 3 * (LONGEST - 1))
        has_run = status not in NEVER_BEGAN
        begin = moment + 5 + rnd() * 300
        user_id, user_name = population.people[person]
        word = word_of(number, count)
        yield (
            user_id,
            user_name,
            user_id,
            *population.hosts[host],
            *population.activities[activity],
            population.policy,
            population.profile.pk,
            lasted[LONGEST],
            f"{user_name}-adm",
            f"{NOTES[number % 4]} {word}" if word else NOTES[number % 4] if number % 3 == 0 else "",
            f"CHG-{before + number:07}" if number % 2 else "",
            status.value,
            text_of(moment),
            text_of(begin) if has_run else None,
            text_of(begin + LONGEST * 60) if has_run else None,
            text_of(begin + minutes * 60),
            lasted[minutes] if has_run else None,
            "The end was reached." if status is Status.COMPLETE else "",
        )
