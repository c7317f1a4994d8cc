"""A resource that names a connector which does not exist is found by `check --database default`, not by a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections

from sessions_app.connectors import CONNECTORS
from sessions_app.models import Resource


@register(Tags.database)
def check_connectors(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W010 for each resource whose connector is unknown. Says nothing before the tables are made."""
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
