"""Django's backend for SQLite, whose long transactions are logged. Django asks for a class of this name."""

from django.db.backends.sqlite3 import base

from sessionadmin.database.transactions import TimedTransactions


class DatabaseWrapper(TimedTransactions, base.DatabaseWrapper):
    """As Django's."""
