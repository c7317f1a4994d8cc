"""System checks for settings of hosts, and (with `--database default`) for resources with an unknown connector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from sessions_app.catalogue.connectors import CONNECTORS
from sessions_app.catalogue.models import Resource


@register(Tags.database)
def check_connectors(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report W010 for each resource whose connector is unknown. Report nothing before the tables exist."""
    problems: list[CheckMessage] = []
    for alias in databases or ():
        if Resource._meta.db_table not in connections[alias].introspection.table_names():
            continue
        unknown = Resource.objects.using(alias).exclude(connector__in=CONNECTORS).order_by("name")
        problems += [
            Warning(
                f"The resource {name} names the connector “{connector}”, which does not exist: nothing starts on it, "
                "and no rights are taken away there.",
                hint=f"Choose one of these in the administration: {', '.join(sorted(CONNECTORS))}.",
                id="sessions_app.W010",
            )
            for name, connector in unknown.values_list("name", "connector")
        ]
    return problems


@register
def check_host_accounts(**kwargs: Any) -> list[CheckMessage]:
    """Report E040 if HOST_ACCOUNT_IDS has no usable ranges, and E041 if a search would take too long.

    A range must not contain ids of the system, and a search must end before its step does.
    """
    problems: list[CheckMessage] = []
    ranges = [re.fullmatch(r"(\d{1,10})-(\d{1,10})", one) for one in settings.HOST_ACCOUNT_IDS.split(",")]
    if not all(one and 1000 <= int(one[1]) <= int(one[2]) < 2**31 for one in ranges):
        problems.append(
            Error(
                f"HOST_ACCOUNT_IDS {settings.HOST_ACCOUNT_IDS!r} does not name ranges of user ids.",
                hint="Write first-last, with commas, between 1000 and 2147483647: 66000-99999,2000200001-2147352575",
                id="sessions_app.E040",
            )
        )
    if not 0 <= settings.HOST_SEARCH_SECONDS <= 50:
        problems.append(
            Error(
                "HOST_SEARCH_SECONDS is not between 0 and 50.",
                hint="A step on a host may take 60 seconds; 0 leaves the search out.",
                id="sessions_app.E041",
            )
        )
    return problems
