"""The pages of saved views: all that one sees, and the forms to save, change and delete one.

Everybody may keep views. Only the owner changes one; an administrator may delete what others share. Who cannot see a
view gets a 404.
"""

from __future__ import annotations

import itertools

from django.contrib import messages
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from activity.addresses import safe_next
from activity.saved_views import flows
from activity.saved_views.forms import ViewForm
from activity.saved_views.models import SavedView, ViewMark
from activity.typed import LONGEST_IN_ADDRESS, typed
from activity.viewer import viewer

KEPT = ("next", "list", "is_default", "is_favourite")  # what the menu above a list sends beside the fields of the form
TAKEN = "Another view of yours has this name since a moment ago. Choose another name."


@require_safe
def saved_views(request: HttpRequest) -> HttpResponse:
    """Show the person's own views, those that others share, and the favourites in their order."""
    person = viewer(request)
    marks = {mark.view_id: mark for mark in ViewMark.objects.filter(user_id=person.pk)}
    views = SavedView.objects.visible_to(person).select_related("owner").order_by("nouns", "path", "name", "pk")
    shown = [
        {
            "view": view,
            "is_own": view.owner_id == person.pk,
            "may_delete": flows.may_delete(person, view),
            "is_default": view.pk in marks and marks[view.pk].is_default,
            "place": marks[view.pk].place if view.pk in marks else None,
        }
        for view in views
    ]
    favourites = sorted((each for each in shown if each["place"] is not None), key=lambda each: each["place"])
    groups = [(nouns, list(each)) for nouns, each in itertools.groupby(shown, key=lambda one: one["view"].nouns)]
    context = {"heading": "Saved views", "groups": groups, "favourites": favourites}
    return render(request, "activity/saved_views/list.html", context)


@require_safe
def open_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Lead to the list with the filters, the order and the columns of a view."""
    return redirect(_found(viewer(request), pk).address)


@require_POST
def save_view(request: HttpRequest) -> HttpResponse:
    """Save what the person sees of a list as a new view, or replace one of theirs by it (`update`)."""
    person, address = viewer(request), typed(request.POST, "next", LONGEST_IN_ADDRESS)
    list_name = typed(request.POST, "list", LONGEST_IN_ADDRESS)
    try:
        if "update" in request.POST:
            key = typed(request.POST, "update")
            view = _own(person, int(key) if key.isascii() and key.isdigit() and len(key) < 19 else 0)
            flows.update(person, view, list_name, address)
            messages.success(request, f"Saved: the view “{view}” is what is shown now.")
            return redirect(view.address)
        form = ViewForm(person, data=request.POST)
        if not form.is_valid():
            return _form_page(request, form, "Save view", status=422)
        view = _saved(form, list_name, address)
    except flows.NotSaved as problem:
        return _problem(request, person, str(problem))
    if "is_default" in request.POST:
        flows.make_default(person, view, is_default=True)
    if "is_favourite" in request.POST:
        flows.make_favourite(person, view, is_favourite=True)
    messages.success(request, f"Saved the view “{view}”.")
    return redirect(view.address)


def _saved(form: ViewForm, list_name: str, address: str) -> SavedView:
    given = form.cleaned_data
    try:
        return flows.save_as(form.person, given["name"], list_name, address, is_shared=bool(given.get("is_shared")))
    except IntegrityError as error:  # saved in another window at this moment
        raise flows.NotSaved(TAKEN) from error


def _problem(request: HttpRequest, person: AbstractUser, problem: str) -> HttpResponse:
    """Return the form again with what was typed, and with why nothing was saved."""
    form = ViewForm(person, data=request.POST)
    form.is_valid()
    form.add_error(None, problem)
    return _form_page(request, form, "Save view", status=422)


def _form_page(
    request: HttpRequest, form: ViewForm, heading: str, view: SavedView | None = None, *, status: int = 200
) -> HttpResponse:
    context = {
        "heading": heading,
        "form": form,
        "view": view,
        "back": view.address if view is not None else _back(request),
        "kept": [(name, typed(request.POST, name, LONGEST_IN_ADDRESS)) for name in KEPT if name in request.POST],
    }
    return render(request, "activity/saved_views/form.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a view of one's own another name, or share it or not."""
    person = viewer(request)
    view = _own(person, pk)
    if request.method != "POST":
        return _form_page(request, ViewForm(person, view), f"Change “{view}”", view)
    form = ViewForm(person, view, request.POST)
    named = view.name
    if form.is_valid():
        try:
            given = form.cleaned_data
            flows.edit(person, view, given["name"], is_shared=bool(given.get("is_shared")))
        except (flows.NotSaved, IntegrityError) as problem:
            form.add_error("name", str(problem) if isinstance(problem, flows.NotSaved) else TAKEN)
        else:
            messages.success(request, f"Saved the view “{view}”.")
            return redirect("saved_views")
    return _form_page(request, form, f"Change “{named}”", _own(person, pk), status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def delete_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a view (GET), or delete it (POST)."""
    person = viewer(request)
    view = _found(person, pk)
    if not flows.may_delete(person, view):
        raise PermissionDenied("Only its owner and administrators delete a shared view.")
    if request.method == "POST":
        flows.delete(person, view)
        messages.success(request, f"Deleted the view “{view}”.")
        return redirect("saved_views")
    others = view.marks.exclude(user_id=person.pk).count()
    context = {"heading": f"Delete “{view}”?", "view": view, "others": others}
    return render(request, "activity/saved_views/delete.html", context)


@require_POST
def mark_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a view the person's default of its list or a favourite, or not any more, or move it among the favourites.

    The form sends one of these, as `mark`.
    """
    person = viewer(request)
    view = _found(person, pk)
    mark = typed(request.POST, "mark")
    if mark in ("default", "no-default"):
        flows.make_default(person, view, is_default=mark == "default")
        said = f"{view.nouns.capitalize()} open with “{view}” from now on, for you."
        messages.success(
            request, said if mark == "default" else f"{view.nouns.capitalize()} open without a view again."
        )
    elif mark in ("favourite", "no-favourite"):
        flows.make_favourite(person, view, is_favourite=mark == "favourite")
        where = "is in your navigation" if mark == "favourite" else "is no longer in your navigation"
        messages.success(request, f"“{view}” {where}.")
    elif mark in ("up", "down"):
        flows.move_favourite(person, view, up=mark == "up")
    else:
        return HttpResponseBadRequest("This cannot be done with a saved view. Nothing was changed.")
    return redirect(_back(request))


def _found(person: AbstractUser, pk: int) -> SavedView:
    return get_object_or_404(SavedView.objects.visible_to(person), pk=pk)


def _own(person: AbstractUser, pk: int) -> SavedView:
    """Return a view of the person. Raise Http404 for one they do not see, and PermissionDenied for one of others."""
    view = _found(person, pk)
    if not flows.may_change(person, view):
        raise PermissionDenied("Only its owner changes a shared view. Save it under a name of your own instead.")
    return view


def _back(request: HttpRequest) -> str:
    """Return the address of the list that the form stands above, or of the page of all views."""
    return safe_next(request, typed(request.POST, "next", LONGEST_IN_ADDRESS), reverse("saved_views"))
