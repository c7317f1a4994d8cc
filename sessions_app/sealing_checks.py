"""System checks that find missing or wrong encryption keys when the console starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from sessions_app.catalogue.connectors import names_where
from sessions_app.catalogue.models import Resource
from sessions_app.sealing import problem_of_keys, sealed_fields

HINT = (
    "Make one with: python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())', keep a "
    "copy apart from the database's backup, and set ENCRYPTION_KEYS to it."
)


@register
def check_encryption_keys(**kwargs: Any) -> list[CheckMessage]:
    """Report E005 if a key in ENCRYPTION_KEYS is not valid."""
    problem = problem_of_keys(settings.ENCRYPTION_KEYS) if settings.ENCRYPTION_KEYS else ""
    return [Error(problem, hint=HINT, id="sessions_app.E005")] if problem else []


@register(Tags.database)
def check_sealed(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report W005 if there are secrets, or resources that need them, and ENCRYPTION_KEYS is empty.

    Report nothing before the tables exist.
    """
    if settings.ENCRYPTION_KEYS:
        return []
    for alias in databases or ():
        tables = set(connections[alias].introspection.table_names())
        needing = [
            model._meta.verbose_name_plural
            for model, _ in sealed_fields()
            if model._meta.db_table in tables and model._default_manager.using(alias).exists()
        ]
        need = names_where(lambda one: one.needs_encryption)
        if Resource._meta.db_table in tables and Resource.objects.using(alias).filter(connector__in=need).exists():
            needing.append(f"resources with the connector {' or '.join(need)}")
        if needing:
            what = ", ".join(str(one) for one in needing)
            text = f"ENCRYPTION_KEYS is not set, and there are {what}: their secrets cannot be sealed or opened."
            return [Warning(text, hint=HINT, id="sessions_app.W005")]
    return []
