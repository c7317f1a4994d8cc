"""Django's backend for PostgreSQL, whose long transactions are logged."""

from django.db.backends.postgresql import base

from sessionadmin.database.transactions import TimedTransactions


class DatabaseWrapper(TimedTransactions, base.DatabaseWrapper):
    """Django's connection with timed transactions. Django requires this name."""
