"""Protects objects from deletion while other objects or the history refer to them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from sessions_app.admin.folded_search import FoldedSearch


class ProtectedWhileInUse(FoldedSearch):
    """An admin class that deletes one object at a time, and only if nothing refers to it.

    `instead` tells the person what to do with an object that is in use. `parts` are the models whose objects belong to
    the object and are deleted with it, so that they do not count as a use.
    """

    instead = "Make it inactive instead."
    parts: tuple[type[models.Model], ...] = ()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions without "delete selected", because the uses of each object must be checked."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Delete the object. If it is in use, delete nothing, say what uses it, and return to its page."""
        thing = self.get_object(request, unquote(object_id))
        if thing is not None and self.has_delete_permission(request, thing) and (uses := uses_of(thing, self.parts)):
            text = f"“{thing}” is used by {', '.join(uses)}. Nothing was deleted. {self.instead}"
            self.message_user(request, text, messages.ERROR)
            return self.back_to(thing)
        return super().delete_view(request, object_id, extra_context)

    def back_to(self, thing: models.Model) -> HttpResponse:
        """Return a redirect to the page of the object."""
        return redirect(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change", thing.pk)


def uses_of(thing: models.Model, parts: Collection[type[models.Model]]) -> list[str]:
    """Count what refers to `thing`, for example ["2 access policies", "41 privileged sessions"].

    Objects of the models in `parts`, and references that become null when `thing` is deleted, are not counted.
    """
    uses = []
    for relation in thing._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ForeignObjectRel):
            continue
        model: type[models.Model] = relation.related_model
        is_part = model in parts and relation.one_to_many
        if model._meta.auto_created or is_part or relation.on_delete is models.SET_NULL:
            continue
        count = model._default_manager.filter(**{relation.field.name: thing.pk}).distinct().count()
        if count:
            uses.append(f"{count} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}")
    return uses
