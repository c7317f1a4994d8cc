"""Nothing that something else or the history names is deleted; the person is told what names it, and what to do."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from sessions_app.admin.folded import FoldedSearch
from sessions_app.catalogue.models import ApprovalTier


class KeptWhileInUse(FoldedSearch):
    """Deletes one object at a time, and only when nothing names it. `instead` says what to do with the others."""

    instead = "Make it inactive instead."

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without "delete selected": each deletion is looked at by itself."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Back to the object with the reason, when something names it."""
        thing = self.get_object(request, unquote(object_id))
        if thing is not None and self.has_delete_permission(request, thing) and (named_by := uses_of(thing)):
            text = f"“{thing}” is used by {', '.join(named_by)}. Nothing was deleted. {self.instead}"
            self.message_user(request, text, messages.ERROR)
            return self.back_to(thing)
        return super().delete_view(request, object_id, extra_context)

    def back_to(self, thing: models.Model) -> HttpResponse:
        """The object's own page."""
        return redirect(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change", thing.pk)


def uses_of(thing: models.Model) -> list[str]:
    """What names `thing`, counted: ["2 access policies", "41 privileged sessions"]. What belongs to it (the tiers of a
    profile) and what only remembers it (a session whose policy may go) does not count."""
    found = []
    for relation in thing._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ForeignObjectRel):
            continue
        model: type[models.Model] = relation.related_model
        is_part = model is ApprovalTier and relation.one_to_many
        if model._meta.auto_created or is_part or relation.on_delete is models.SET_NULL:
            continue
        count = model._default_manager.filter(**{relation.field.name: thing.pk}).distinct().count()
        if count:
            found.append(f"{count} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}")
    return found
