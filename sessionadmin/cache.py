"""A cache in the database that counts right when many processes count at once.

It is the default, so that several web servers need nothing but the database. Django's own DatabaseCache reads, adds and
writes, so that two that count at once count one; two that begin a count again at once may lose one; and each count
begins a new time limit. Here the database does each in one statement or under the lock of its row, and the limit stays.
"""

from __future__ import annotations

import base64
import datetime as dt
import pickle
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.core.management import call_command
from django.db import connections, router, transaction
from django.utils import timezone


class CountingDatabaseCache(DatabaseCache):
    """Django's cache in a database table, whose add(), incr() and decr() lose nothing.

    `migrate` makes the table.
    """

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Store `value` unless the key holds an unexpired one. Return True if it was stored."""
        made_key = self.make_and_validate_key(key, version=version)
        using = router.db_for_write(self.cache_model_class)
        table = self._name_of_table(using)
        self._make_room(using)
        with connections[using].cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (cache_key, value, expires) VALUES (%s, %s, %s) "  # noqa: S608 - our names
                "ON CONFLICT (cache_key) DO UPDATE SET value = excluded.value, expires = excluded.expires "
                f"WHERE {table}.expires < %s",
                [made_key, self._packed(value), self._expiry(using, timeout), self._now(using)],
            )
            return bool(cursor.rowcount == 1)

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add to a count and return it. Raises ValueError when there is no unexpired count."""
        made_key = self.make_and_validate_key(key, version=version)
        using = router.db_for_write(self.cache_model_class)
        connection = connections[using]
        table = self._name_of_table(using)
        # SQLite has no FOR UPDATE and needs none: our transactions there hold the one write lock from their start.
        lock = "FOR UPDATE" if connection.features.has_select_for_update else ""
        with transaction.atomic(using=using), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT value FROM {table} WHERE cache_key = %s AND expires >= %s {lock}",  # noqa: S608 - our names
                [made_key, self._now(using)],
            )
            row = cursor.fetchone()
            if row is None:
                raise ValueError(f"Key {key!r} not found")
            count: int = pickle.loads(base64.b64decode(row[0])) + delta  # noqa: S301 - as Django's: only we write here
            cursor.execute(
                f"UPDATE {table} SET value = %s WHERE cache_key = %s",  # noqa: S608 - our names
                [self._packed(count), made_key],
            )
        return count

    def decr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Subtract from a count and return it. Raises ValueError as incr() does."""
        return self.incr(key, -delta, version=version)

    def _make_room(self, using: str) -> None:
        """Delete expired entries, and a third of the others, when there are more than fit."""
        with connections[using].cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {self._name_of_table(using)}")  # noqa: S608 - our names
            (count,) = cursor.fetchone()
            if count > self._max_entries:
                self._cull(using, cursor, timezone.now().replace(microsecond=0), count)  # type: ignore[attr-defined]  # no stub

    def _name_of_table(self, using: str) -> str:
        return connections[using].ops.quote_name(self._table)  # type: ignore[attr-defined]  # not in the stubs

    def _packed(self, value: object) -> str:
        return base64.b64encode(pickle.dumps(value, self.pickle_protocol)).decode("latin1")

    def _expiry(self, using: str, timeout: Any) -> Any:
        seconds = self.get_backend_timeout(timeout)
        moment = dt.datetime.max if seconds is None else dt.datetime.fromtimestamp(seconds, tz=dt.UTC)  # noqa: DTZ901
        return connections[using].ops.adapt_datetimefield_value(moment.replace(microsecond=0))

    @staticmethod
    def _now(using: str) -> Any:
        """Return the current time as the column of the table compares it, in whole seconds."""
        return connections[using].ops.adapt_datetimefield_value(timezone.now().replace(microsecond=0))


def make_table(using: str, **kwargs: Any) -> None:
    """Make the table of the cache after each migrate, where a cache in the database is configured."""
    call_command("createcachetable", database=using, verbosity=0)
