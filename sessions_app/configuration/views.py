"""The views that add, change and delete the objects of one model. Subclasses of `Configuration` say which and how.

Administrators may; who may see an object but not change it gets 403, and who may not see it 404. A change and its log
entries are one transaction. Deletion is refused while something refers to the object.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from activity.listing import Table, link
from activity.listing.response import is_fragment
from activity.viewer import viewer
from sessions_app.configuration.ended_sessions import ChangeEndsSessions, agreed_ends, question
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.configuration.uses import in_use, uses_of
from sessions_app.outcome import confirmation, outcome
from sessions_app.permission import administrator_refusal, role_of
from sessions_app.roles import is_administrator, sees_everything


class Configuration:
    """Adds, changes and deletes the objects of one model.

    `name` is the part of the names of the addresses: "resource" gives resource_add, resource_change, resource_delete.
    """

    model: ClassVar[type[Model]]
    form: ClassVar[type[ConfigurationForm]]
    name: ClassVar[str]
    list_name: ClassVar[str]  # the name of the address of the list
    instead: ClassVar[str] = "Make it inactive instead."  # what to do with an object that is in use
    parts: ClassVar[tuple[type[Model], ...]] = ()  # models whose objects are deleted with the object
    ends_sessions: ClassVar[bool] = True  # whether a change can end open sessions
    template: ClassVar[str] = "sessions_app/configuration/form.html"
    fields_template: ClassVar[str] = "sessions_app/configuration/fields.html"  # the part that htmx exchanges

    # --- what a subclass may say

    def visible(self, person: AbstractUser) -> QuerySet[Any]:
        """Return the objects that the person may see."""
        objects = self.model._default_manager.all()
        return objects if sees_everything(person) else objects.none()

    def refusal(self, person: AbstractUser, thing: Model | None) -> str:
        """Return why this administrator may not add or change the object; an empty string if they may."""
        return ""

    def deletion_refusal(self, person: AbstractUser, thing: Model) -> str:
        """Return why the object cannot be deleted; an empty string if it can."""
        uses = uses_of(thing, self.parts)
        return in_use(thing, uses, self.instead) if uses else ""

    def initial(self, request: HttpRequest) -> dict[str, Any]:
        """Return the values that the form for a new object begins with."""
        return {}

    def make_form(self, request: HttpRequest, data: Any, thing: Model | None, initial: Any = None) -> ConfigurationForm:
        """Return the form for an object, filled with `data` if it was sent."""
        return self.form(data, instance=thing, initial=initial)

    def page_of(self, thing: Any) -> str:
        """Return the address to go to after the object was saved."""
        return str(thing.get_absolute_url()) if hasattr(thing, "get_absolute_url") else reverse(self.list_name)

    def said(self, thing: Model, *, is_new: bool) -> list[tuple[str, str]]:
        """Return the lines that tell what was saved."""
        verb = "Added" if is_new else "Saved"
        return [("success", f"{verb} {self.model._meta.verbose_name} “{thing}”.")]

    def context(self, request: HttpRequest, form: ConfigurationForm) -> dict[str, Any]:
        """Return what the template of the form needs in addition."""
        return {}

    # --- the links to the views

    def add_link(self, request: HttpRequest) -> tuple[str, str]:
        """Return text and address of the button of the list; two empty strings for who may not add anything."""
        if not is_administrator(viewer(request)):
            return "", ""
        kind = str(self.model._meta.verbose_name)
        return f"Add {_article(kind)} {kind}", reverse(f"{self.name}_add")

    def list_table(self, request: HttpRequest, table: Table, name_of: Callable[[Any], str]) -> Table:
        """Return the table of a list whose objects have no page of their own.

        Administrators get the button that adds one, and in the first column links to the forms; others the plain table.
        """
        if not is_administrator(viewer(request)):
            return table

        def change_link(row: Any) -> str:
            return link(reverse(f"{self.name}_change", args=[row.pk]), name_of(row))

        first = dataclasses.replace(table.columns[0], cell=change_link)
        return dataclasses.replace(table, add_link=self.add_link(request), columns=(first, *table.columns[1:]))

    def links(self, request: HttpRequest, thing: Model) -> dict[str, str]:
        """Return the addresses of the buttons on the page of the object; none for who may not change it."""
        if not self.may_change(viewer(request), thing):
            return {}
        return {verb: reverse(f"{self.name}_{verb}", args=[thing.pk]) for verb in ("change", "delete")}

    def may_change(self, person: AbstractUser, thing: Model) -> bool:
        """Return whether the person is an administrator who may change the object."""
        return is_administrator(person) and not self.refusal(person, thing)

    # --- the views

    def urls(self, prefix: str) -> list[URLPattern]:
        """Return the addresses below `prefix`, which is the plural as in the address of the list."""
        pages: tuple[tuple[str, str, Callable[..., HttpResponse]], ...] = (
            (f"{prefix}/add/", f"{self.name}_add", self.add),
            (f"{prefix}/<int:pk>/change/", f"{self.name}_change", self.change),
            (f"{prefix}/<int:pk>/delete/", f"{self.name}_delete", self.delete),
        )
        return [path(address, self._view(view), name=name) for address, name, view in pages]

    def _view(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        safe = require_http_methods(["GET", "HEAD", "POST"])(view)
        names = self.form.write_only
        return sensitive_post_parameters(*names)(safe) if names else safe

    def add(self, request: HttpRequest) -> HttpResponse:
        """Show the form for a new object (GET), or add it (POST)."""
        self._require(request, None)
        return self._edit(request, None)

    def change(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form for an object (GET), or change it (POST)."""
        return self._edit(request, self.find(request, pk))

    def find(self, request: HttpRequest, pk: int) -> Any:
        """Return the object that the person may change. Raise Http404, or PermissionDenied if they only see it."""
        thing = get_object_or_404(self.visible(viewer(request)), pk=pk)
        self._require(request, thing)
        return thing

    def delete(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask whether to delete an object (GET), or delete it (POST). Say what uses it if it is in use."""
        person, thing = viewer(request), self.find(request, pk)
        refused = self.deletion_refusal(person, thing)
        if request.method != "POST":
            return self._ask_deletion(request, thing, refused)
        named, kind = str(thing), self.model._meta.verbose_name
        try:
            with transaction.atomic(), self._agreed(request):
                if refused := self.deletion_refusal(person, thing):
                    return self._ask_deletion(request, thing, refused, status=422)
                thing.delete()
        except ChangeEndsSessions as change:
            return self._ask_ends(request, "Delete", self.page_of(thing), change)
        except ProtectedError:
            refused = self.deletion_refusal(person, thing)  # it came into use at this moment
            return self._ask_deletion(request, thing, refused, status=422)
        return outcome(request, [("success", f"Deleted {kind} “{named}”.")], reverse(self.list_name), leaves_page=True)

    def _require(self, request: HttpRequest, thing: Model | None) -> None:
        """Raise PermissionDenied unless the person is an administrator who may change the object."""
        person = viewer(request)
        if refused := administrator_refusal(**role_of(person)) or self.refusal(person, thing):
            raise PermissionDenied(refused)

    def _agreed(self, request: HttpRequest) -> AbstractContextManager[None]:
        return agreed_ends(request.POST) if self.ends_sessions else nullcontext()

    def _edit(self, request: HttpRequest, thing: Model | None) -> HttpResponse:
        shown = "" if thing is None else str(thing)  # before the form writes what was typed into the object
        back = reverse(self.list_name) if thing is None else self.page_of(thing)
        initial = self.initial(request) if thing is None else None
        if request.method != "POST":
            return self._page(request, self.make_form(request, None, thing, initial), shown, back)
        form = self.make_form(request, request.POST, thing)
        if form.is_unfinished:
            return self._page(request, form, shown, back)
        if not form.is_valid():
            return self._page(request, form, shown, back, status=422)
        try:
            with transaction.atomic(), self._agreed(request):
                saved = form.save_for(viewer(request))
        except ChangeEndsSessions as change:
            return self._ask_ends(request, "Save", request.get_full_path(), change)
        except IntegrityError:  # somebody else saved at this moment, for instance the same name
            form = self.make_form(request, request.POST, thing)
            if form.is_valid():
                raise
            return self._page(request, form, shown, back, status=422)
        return outcome(request, self.said(saved, is_new=thing is None), self.page_of(saved))

    def _page(
        self, request: HttpRequest, form: ConfigurationForm, shown: str, back: str, *, status: int = 200
    ) -> HttpResponse:
        """Return the form: the whole page, or for htmx the fields alone."""
        kind = self.model._meta.verbose_name
        context = {
            "title": f"Change {shown}" if shown else f"Add {_article(str(kind))} {kind}",
            "form": form,
            "fields_template": self.fields_template,
            "back": back,
            "button": "Save changes" if shown else f"Add {kind}",
            **self.context(request, form),
        }
        template = self.fields_template if is_fragment(request) else self.template
        response = render(request, template, context, status=status)
        response["Cache-Control"] = "no-store"
        patch_vary_headers(response, ["HX-Request"])
        return response

    def _ask_deletion(self, request: HttpRequest, thing: Model, refused: str, *, status: int = 200) -> HttpResponse:
        context = {
            "title": f"Delete {thing}",
            "heading": f"Delete {self.model._meta.verbose_name}",
            "kind": self.model._meta.verbose_name,
            "thing": thing,
            "refused": refused,
            "possible": not refused,
            "action_url": request.path,
            "is_danger": True,
            "back": self.page_of(thing),
            "back_label": "Go back",
        }
        return confirmation(request, "sessions_app/configuration/delete.html", context, status=status)

    def _ask_ends(self, request: HttpRequest, verb: str, back: str, change: ChangeEndsSessions) -> HttpResponse:
        context = {
            **question(change, request.POST, self.form.write_only),
            "heading": "Open sessions would end",
            "verb": verb,
            "action_url": request.get_full_path(),
            "possible": True,
            "is_danger": True,
            "back": back,
            "back_label": "Go back",
        }
        return confirmation(request, "sessions_app/configuration/ends_sessions.html", context)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" and noun != "user" else "a"
