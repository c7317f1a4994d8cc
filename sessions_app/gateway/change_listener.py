"""Notice in a thread that the database may have changed, and set an asyncio event.

PostgreSQL: LISTEN on a connection of its own (change_notify.py notifies), which is made again whenever it breaks.
SQLite: PRAGMA data_version twice a second, which changes with any commit of another connection. What has changed is not
known here: control_loop.py reads that. It also reads every few seconds without a notification, so that a lost one costs
seconds only.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Error as PostgresError

from sessions_app.change_notify import CHANNEL

POLL_SECONDS = 0.5  # seconds between looks at SQLite
LISTEN_SECONDS = 1.0  # seconds until the thread checks whether it must stop
PROBE_AFTER_TIMEOUTS = 15  # times LISTEN_SECONDS after which a silent connection is asked whether it is there
RETRY_SECONDS = 1.0  # seconds before the database is tried again

logger = logging.getLogger(__name__)


class ChangeListener:
    """Sets `event` when something may have changed. Its reader clears it before it reads the database."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="change-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        """Stop the thread, and return when it has ended, after about a second at most."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _set(self) -> None:
        if not self._stop.is_set():
            self._loop.call_soon_threadsafe(self.event.set)

    def _run(self) -> None:
        watch = self._listen if connections[DEFAULT_DB_ALIAS].vendor == "postgresql" else self._poll
        while not self._stop.is_set():
            own = connections.create_connection(DEFAULT_DB_ALIAS)
            try:
                watch(own)
            except (DatabaseError, InterfaceError, PostgresError):
                logger.exception("Changes in the database cannot be followed; trying again")
                self._stop.wait(RETRY_SECONDS)
            finally:
                own.close()

    def _listen(self, own: BaseDatabaseWrapper) -> None:
        with own.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        self._set()  # because something may have changed while nobody listened
        silent = 0
        while not self._stop.is_set():
            if list(own.connection.notifies(timeout=LISTEN_SECONDS, stop_after=1)):
                self._set()
                silent = 0
                continue
            silent += 1
            if silent % PROBE_AFTER_TIMEOUTS == 0:
                with own.cursor() as cursor:
                    cursor.execute("SELECT 1")

    def _poll(self, own: BaseDatabaseWrapper) -> None:
        seen = None
        while not self._stop.is_set():
            with own.cursor() as cursor:
                version = cursor.execute("PRAGMA data_version").fetchone()
            if version != seen:
                seen = version
                self._set()
            self._stop.wait(POLL_SECONDS)
