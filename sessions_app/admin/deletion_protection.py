"""Protects objects from deletion while other objects or the history refer to them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from sessions_app.admin.folded_search import FoldedSearch
from sessions_app.configuration.uses import in_use, uses_of


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
            self.message_user(request, in_use(thing, uses, self.instead), messages.ERROR)
            return self.back_to(thing)
        return super().delete_view(request, object_id, extra_context)

    def back_to(self, thing: models.Model) -> HttpResponse:
        """Return a redirect to the page of the object."""
        return redirect(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change", thing.pk)
