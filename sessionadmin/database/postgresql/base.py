"""Django's backend for PostgreSQL, whose long transactions are logged. Django asks for a class of this name."""

from django.db.backends.postgresql import base

from sessionadmin.database.transactions import TimedTransactions


class DatabaseWrapper(TimedTransactions, base.DatabaseWrapper):
    """As Django's."""
