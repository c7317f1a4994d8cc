"""Django's backend for SQLite, whose long transactions are logged."""

import contextlib
import os
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base

from sessionadmin.database.transactions import TimedTransactions


class DatabaseWrapper(TimedTransactions, base.DatabaseWrapper):
    """Django's connection with timed transactions. Django requires this name."""

    def get_new_connection(self, conn_params: Any) -> Any:
        """Open the database; make a file that is not there yet with the mode 0600, which -wal and -shm take over.

        What root makes belongs to the owner of the directory, whose processes could not open it otherwise.
        """
        if not self.is_in_memory_db():
            # Never open a file that is there: closing it would drop the locks of this process (fcntl(2)). Where it
            # cannot be made, SQLite says so itself in the next line.
            with contextlib.suppress(OSError):
                file = os.open(conn_params["database"], os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(file):
                    owner = Path(conn_params["database"]).parent.stat()
                    if os.geteuid() == 0:
                        os.fchown(file, owner.st_uid, owner.st_gid)
        return super().get_new_connection(conn_params)
