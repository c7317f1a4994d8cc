"""Counts beside the rows of a list, as subqueries, so that a list costs the same queries however long it is."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, IntegerField, QuerySet, Subquery
from django.db.models.functions import Coalesce


def count_of(related: QuerySet[Any], by: str) -> Coalesce:
    """How many rows of `related`, which is already tied to the outer row by its field `by`; 0 where there is none."""
    counted = related.order_by().values(by).annotate(counted=Count("pk", distinct=True)).values("counted")
    return Coalesce(Subquery(counted), 0, output_field=IntegerField())
