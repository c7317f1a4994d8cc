"""A model whose instances are quickly made from what the database answered: a list makes hundreds for each page.

Django's own way sets each field through a descriptor and asks who listens to pre_init and post_init; that takes as long
as the query: 11 to 18 % of the page of sessions, 5 % of that of the log (100 rows, SQLite). A model inherits QuickRows,
and nothing else has to know of it. Not for models with fields that listen there (files with dimensions, generic foreign
keys).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from django.db import models
from django.db.models.base import ModelState


class QuickRows(models.Model):
    """Instances come from the database by `from_db` without passing through `__init__`."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any) -> Self:
        """Return an instance with these fields; the others are deferred. Later versions of Django pass `options`."""
        if options:
            return super().from_db(db, field_names, values, **options)
        new = cls.__new__(cls)
        new._state = state = ModelState()
        state.adding, state.db = False, db
        new.__dict__.update(zip(field_names, values, strict=True))
        return new
