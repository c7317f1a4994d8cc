"""Counts what refers to an object, so that nothing is deleted that other objects or the history need."""

from __future__ import annotations

from collections.abc import Collection

from django.db import models


def uses_of(thing: models.Model, parts: Collection[type[models.Model]]) -> list[str]:
    """Count what refers to `thing`, for example ["2 access policies", "41 privileged sessions"].

    Objects of the models in `parts`, and references that become null when `thing` is deleted, are not counted.
    """
    uses = []
    for relation in thing._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ForeignObjectRel):
            continue
        model: type[models.Model] = relation.related_model
        is_part = model in parts and (relation.one_to_many or relation.one_to_one)
        if model._meta.auto_created or is_part or relation.on_delete is models.SET_NULL:
            continue
        count = model._default_manager.filter(**{relation.field.name: thing.pk}).distinct().count()
        if count:
            uses.append(f"{count} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}")
    return uses


def in_use(thing: models.Model, uses: Collection[str], instead: str) -> str:
    """Return why `thing` is not deleted, and what to do instead."""
    return f"“{thing}” is used by {', '.join(uses)}. Nothing was deleted. {instead}"
