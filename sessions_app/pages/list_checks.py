"""A list whose download only Python can write is found at start, not by the person who waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

from activity.listing import Table
from activity.tables import log_table
from sessions_app.gateway.recordings.tables import RECORDINGS_TABLE, hits_table
from sessions_app.hosts.service_key_configuration import TABLE as SERVICE_KEYS_TABLE
from sessions_app.logins.tables import logins_table
from sessions_app.pages.catalogue.tables import ACTIVITIES, POLICIES, PROFILES, RESOURCES
from sessions_app.pages.people.tables import applications_table, groups_table, users_table
from sessions_app.privileged.session_log import LOG_TABLE
from sessions_app.privileged.tables import sessions_table
from sessions_app.vault.configuration import TABLE as SECRETS_TABLE


def every_table() -> list[Table]:
    """Return all lists of the console, as somebody sees them who sees everything. No query is made for it."""
    viewer = get_user_model()(pk=0, is_superuser=True)
    return [
        *(log_table(), LOG_TABLE, RECORDINGS_TABLE, hits_table(""), logins_table(viewer)),
        *(RESOURCES, ACTIVITIES, PROFILES, POLICIES),
        *(users_table(), groups_table(), applications_table()),
        *(SECRETS_TABLE, SERVICE_KEYS_TABLE),
        sessions_table(viewer, with_history=False),
        sessions_table(viewer, with_history=True),
    ]


@register
def check_downloads(**kwargs: Any) -> list[CheckMessage]:
    """Check that the database can write the download of every list, or that the list says why not."""
    return problems(every_table())


def problems(tables: Iterable[Table]) -> list[CheckMessage]:
    """Return a warning for each table with columns that the database does not know and without a reason for them."""
    return [
        CheckWarning(
            f"The list “{table.name}” is downloaded slowly: only Python can write {', '.join(unknown)}.",
            hint="Give these columns a `path` or `sql` (activity/listing/columns.py), so that the database writes the "
            "download; or say in the table's `slow_csv` why that cannot be.",
            id="sessions_app.W012",
        )
        for table in tables
        if (unknown := table.unknown_to_database()) and not table.slow_csv
    ]
