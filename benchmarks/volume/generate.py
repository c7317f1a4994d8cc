"""Generates people, their sessions and logins, and their log, in one transaction."""

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

from activity import log
from activity.models import LOG_WORDS, Level, LogEntry
from activity.text_index import TextIndex
from activity.verbs import Verb
from benchmarks.volume import bulk, entries, logins, sessions
from benchmarks.volume.population import make_population
from sessions_app.logins.models import LOGIN_WORDS, LoginSession
from sessions_app.privileged.models import SESSION_WORDS, PrivilegedSession

YEARS = 3
FEWEST_HOSTS, MOST_HOSTS, SESSIONS_OF_A_HOST = 10, 2000, 500


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeRequest:
    """How many rows to generate, until when, and the seed.

    The same request for the same database on the same day generates the same rows.
    """

    entries: int
    sessions: int
    logins: int
    users: int
    seed: int
    until: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class InsertedTable:
    """What one table got: the rows, the seconds to insert them, and the seconds to build its indexes again."""

    noun: str
    rows: int
    seconds: float
    index_seconds: float

    def __str__(self) -> str:
        rate = f"{self.rows / self.seconds:,.0f} rows/s" if self.seconds else "at once"
        return f"{self.rows:,} {self.noun} in {self.seconds:.1f} s ({rate}), indexes in {self.index_seconds:.1f} s"


def generate(request: VolumeRequest) -> list[InsertedTable]:
    """Generate all of it or nothing.

    1. People and hosts. 2. Sessions and logins. 3. Their log. 4. An entry that says that this is generated.
    """
    chance = random.Random(request.seed)
    start = request.until - dt.timedelta(days=365 * YEARS)
    parts = sessions.SessionParts(array.array("l"), array.array("l"), array.array("l"))
    with transaction.atomic():
        hosts = min(max(request.sessions // SESSIONS_OF_A_HOST, FEWEST_HOSTS), MOST_HOSTS)
        population = make_population(request.users, hosts)
        newest = _newest_session()
        inserted = [
            _insert_rows(
                PrivilegedSession,
                SESSION_WORDS,
                sessions.COLUMNS,
                sessions.rows(
                    request.sessions,
                    start,
                    request.until,
                    population,
                    chance,
                    parts,
                    PrivilegedSession.objects.count(),
                ),
                request.sessions,
            ),
            _insert_rows(
                LoginSession,
                LOGIN_WORDS,
                logins.COLUMNS,
                logins.rows(
                    request.logins, start, request.until, population, chance, request.seed, LoginSession.objects.count()
                ),
                request.logins,
            ),
        ]
        made = PrivilegedSession.objects.filter(pk__gt=newest).order_by("pk").values_list("pk", flat=True)
        ids = array.array("q", made.iterator())
        rows = entries.rows(request.entries, start, request.until, population, chance, parts, ids)
        with log.importing("made-up data"):
            inserted.append(_insert_rows(LogEntry, LOG_WORDS, entries.COLUMNS, rows, request.entries))
        words = f"{request.entries:,} log entries, {request.sessions:,} sessions and {request.logins:,} logins"
        log.record(Verb.RECORD_ADDED, f"Generated {words}: made-up data", level=Level.WARNING)
    _update_statistics()
    return inserted


def _newest_session() -> int:
    return PrivilegedSession.objects.aggregate(newest=models.Max("pk"))["newest"] or 0


def _insert_rows(
    model: type[models.Model], text: TextIndex, columns: tuple[str, ...], rows: Iterator[bulk.Row], count: int
) -> InsertedTable:
    """Insert rows into one table. Its indexes are dropped meanwhile if there will be more new rows than old ones."""
    noun = str(model._meta.verbose_name_plural)
    aside = count > model._default_manager.all()[: count + 1].count()
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        if aside:
            stack.enter_context(bulk.indexes_aside(model, [text]))
        done = bulk.append(model, columns, tqdm(rows, noun, count, disable=None, unit_scale=True, unit=" rows"))
        inserted = time.monotonic()
    return InsertedTable(noun, done, inserted - begin, time.monotonic() - inserted)


def _update_statistics() -> None:
    """Let the database collect the statistics for its query plans again."""
    with connection.cursor() as cursor:
        can_vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
        cursor.execute("VACUUM ANALYZE" if can_vacuum else "ANALYZE")
