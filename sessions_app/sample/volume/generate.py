"""Generates: people, their sessions and logins, and a log of it, in one transaction."""

from __future__ import annotations

import array
import contextlib
import dataclasses
import datetime as dt
import random
import time
from collections.abc import Iterator

from django.db import connection, models, transaction
from tqdm import tqdm

from activity import bulk, log
from activity.models import LOG_WORDS, Level, LogEntry
from activity.text_index import TextIndex
from activity.verbs import Verb
from sessions_app.logins.models import LOGIN_WORDS, LoginSession
from sessions_app.privileged.models import SESSION_WORDS, PrivilegedSession
from sessions_app.sample.volume import entries, logins, sessions
from sessions_app.sample.volume.cast import make_cast

YEARS = 3
FEWEST_HOSTS, MOST_HOSTS, SESSIONS_OF_A_HOST = 10, 2000, 500


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """How much of everything, and the seed. The same wish into the same database on the same day gives the same rows;
    `until` is where history ends."""

    entries: int
    sessions: int
    logins: int
    users: int
    seed: int
    until: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Poured:
    """What one table got: rows, seconds until they were in, and seconds for the indexes that were set aside."""

    noun: str
    rows: int
    seconds: float
    index_seconds: float

    def __str__(self) -> str:
        rate = f"{self.rows / self.seconds:,.0f} rows/s" if self.seconds else "at once"
        return f"{self.rows:,} {self.noun} in {self.seconds:.1f} s ({rate}), indexes in {self.index_seconds:.1f} s"


def generate(wanted: Wanted) -> list[Poured]:
    """All of it or nothing.

    1. People and hosts. 2. Sessions and logins. 3. The log of it. 4. An entry that says that this is made up.
    """
    chance = random.Random(wanted.seed)  # noqa: S311 - the same rows each time; nothing depends on chance
    start = wanted.until - dt.timedelta(days=365 * YEARS)
    told = sessions.Told(array.array("l"), array.array("l"), array.array("l"))
    with transaction.atomic():
        hosts = min(max(wanted.sessions // SESSIONS_OF_A_HOST, FEWEST_HOSTS), MOST_HOSTS)
        cast = make_cast(wanted.users, hosts)
        newest = _newest_session()
        poured = [
            _pour(
                PrivilegedSession,
                SESSION_WORDS,
                sessions.COLUMNS,
                sessions.rows(
                    wanted.sessions, start, wanted.until, cast, chance, told, PrivilegedSession.objects.count()
                ),
                wanted.sessions,
            ),
            _pour(
                LoginSession,
                LOGIN_WORDS,
                logins.COLUMNS,
                logins.rows(
                    wanted.logins, start, wanted.until, cast, chance, wanted.seed, LoginSession.objects.count()
                ),
                wanted.logins,
            ),
        ]
        made = PrivilegedSession.objects.filter(pk__gt=newest).order_by("pk").values_list("pk", flat=True)
        ids = array.array("q", made.iterator())
        rows = entries.rows(wanted.entries, start, wanted.until, cast, chance, told, ids)
        with log.importing("made-up data"):
            poured.append(_pour(LogEntry, LOG_WORDS, entries.COLUMNS, rows, wanted.entries))
        words = f"{wanted.entries:,} log entries, {wanted.sessions:,} sessions and {wanted.logins:,} logins"
        log.record(Verb.RECORD_ADDED, f"Generated {words}: made-up data", level=Level.WARNING)
    _look_at_it()
    return poured


def _newest_session() -> int:
    return PrivilegedSession.objects.aggregate(newest=models.Max("pk"))["newest"] or 0


def _pour(
    model: type[models.Model], text: TextIndex, columns: tuple[str, ...], rows: Iterator[bulk.Row], count: int
) -> Poured:
    """Into one table. Its indexes are set aside when there will be more new rows than old ones."""
    noun = str(model._meta.verbose_name_plural)
    aside = count > model._default_manager.all()[: count + 1].count()
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        if aside:
            stack.enter_context(bulk.indexes_aside(model, [text]))
        done = bulk.append(model, columns, tqdm(rows, noun, count, disable=None, unit_scale=True, unit=" rows"))
        poured = time.monotonic()
    return Poured(noun, done, poured - begin, time.monotonic() - poured)


def _look_at_it() -> None:
    """Let the database count anew what its plans rest on."""
    with connection.cursor() as cursor:
        can_vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
        cursor.execute("VACUUM ANALYZE" if can_vacuum else "ANALYZE")
