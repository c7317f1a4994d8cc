"""Generates log entries. Seven of ten are about a privileged session of that time, the others about logins."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence

from activity.models import Level, Outcome
from activity.verbs import FAILURES, REFUSALS, Verb
from benchmarks.volume import bulk
from benchmarks.volume.population import Population
from benchmarks.volume.sessions import SessionParts
from benchmarks.volume.timestamps import text_of, timestamps
from benchmarks.volume.words import word_of
from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES
from sessions_app.privileged.models import PrivilegedSession

COLUMNS = (
    "at",
    "actor_id",
    "actor_name",
    "user_id",
    "user_name",
    "verb",
    "level",
    "message",
    "target_type",
    "target_id",
    "target_name",
    "ip",
    "details",
    "outcome",
)
Step = tuple[str, int, str, bool]  # verb, level, message, whether the person did it (else the system)
ABOUT_SESSIONS: tuple[Step, ...] = (
    (Verb.SESSION_REQUESTED.value, Level.INFO.value, "{user} asked for {activity} on {host}", True),
    (Verb.SESSION_PROVISIONING.value, Level.INFO.value, "Giving {user} rights for {activity} on {host}", False),
    (Verb.CONNECTOR_STEP.value, Level.DEBUG.value, "{host}: account {user}-adm made", False),
    (Verb.CONNECTOR_STEP.value, Level.DEBUG.value, "{host}: rule of sudo for {user}-adm written", False),
    (Verb.SESSION_AVAILABLE.value, Level.INFO.value, "{activity} on {host} is ready for {user}", False),
    (Verb.SESSION_LOGGED_IN.value, Level.INFO.value, "{user} logged in to {host}", True),
    (Verb.SESSION_LOGGED_OFF.value, Level.INFO.value, "{user} logged off from {host}", True),
    (Verb.SESSION_EXTENDED.value, Level.INFO.value, "{user} extended {activity} on {host} by 30 minutes", True),
    (Verb.SESSION_CANCELING.value, Level.INFO.value, "Taking the rights of {user} on {host} away", False),
    (Verb.SESSION_COMPLETED.value, Level.INFO.value, "{activity} on {host} for {user} is complete", False),
)
PROBLEM: Step = (Verb.WORKER_PROBLEM.value, Level.WARNING.value, "{host} did not answer; tried again for {user}", False)
FAILURE: Step = (Verb.SESSION_FAILED.value, Level.ERROR.value, "{activity} on {host} failed for {user}", False)
ABOUT_LOGINS: tuple[Step, ...] = (
    (Verb.LOGIN.value, Level.INFO.value, "{user} logged in from {city}", True),
    (Verb.LOGOUT.value, Level.INFO.value, "{user} logged out in {city}", True),
    (Verb.LOGIN_MOVED.value, Level.INFO.value, "The login of {user} moved to {city}", True),
    (Verb.LOG_VIEWED.value, Level.INFO.value, "{user} looked at a session's log in {city}", True),
)
OUTCOMES = {
    **dict.fromkeys((verb.value for verb in FAILURES), Outcome.FAILURE.value),
    **dict.fromkeys((verb.value for verb in REFUSALS), Outcome.DENIED.value),
}
TARGET = PrivilegedSession._meta.label_lower


def rows(
    count: int,
    start: dt.datetime,
    end: dt.datetime,
    population: Population,
    chance: random.Random,
    parts: SessionParts,
    ids: Sequence[int],
) -> Iterator[bulk.Row]:
    """Yield `count` rows for `COLUMNS`, oldest first. `ids` are the sessions' in the order of `parts`."""
    addresses = [(place.city, place.address(number)) for place in SAMPLE_PLACES for number in range(10)]
    rnd, many = chance.random, len(ids)
    for number, moment in enumerate(timestamps(count, start, end, chance)):
        if many and rnd() < 0.7:
            session = max(many * number // count - int(rnd() * 3), 0)
            user_id, user = population.people[parts.person[session]]
            host, activity = (
                population.hosts[parts.host[session]][1],
                population.activities[parts.activity[session]][1],
            )
            verb, level, text, is_theirs = _step(rnd())
            message = text.format(user=user, host=host, activity=activity)
            target: tuple[str, int | None, str] = (TARGET, ids[session], f"{activity} on {host} for {user}")
            address = None
        else:
            user_id, user = population.people[population.person(chance)]
            city, address = addresses[int(len(addresses) * rnd() ** 2)]
            verb, level, text, is_theirs = ABOUT_LOGINS[int(4 * rnd() ** 2)]
            message, target = text.format(user=user, city=city), ("", None, "")
        if word := word_of(number, count):
            message = f"{message} ({word})"
        actor = (user_id, user) if is_theirs else (None, "")
        yield (
            text_of(moment),
            *actor,
            user_id,
            user,
            verb,
            level,
            message,
            *target,
            address,
            "{}",
            OUTCOMES.get(verb, Outcome.SUCCESS.value),
        )


def _step(share: float) -> Step:
    if share < 0.003:
        return FAILURE
    return PROBLEM if share < 0.02 else ABOUT_SESSIONS[int(share * 10)]
