"""Counts of related rows as subqueries, so that a list needs the same number of queries at any length."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, IntegerField, QuerySet, Subquery
from django.db.models.functions import Coalesce


def count_of(related: QuerySet[Any], by: str) -> Coalesce:
    """Return an expression that counts `related`, which is tied to the outer row by its field `by`; 0 without rows."""
    counted = related.order_by().values(by).annotate(counted=Count("pk", distinct=True)).values("counted")
    return Coalesce(Subquery(counted), 0, output_field=IntegerField())
