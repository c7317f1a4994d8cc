"""Lock and unlock an account or a resource, and cut everything of a person.

Each is confirmed first, and calls one flow. A GET shows the confirmation: in the dialog for HTMX, else as a page. When
it is done, the page behind the dialog is loaded again with its new state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from activity.listing.response import is_fragment
from activity.outage import Outage
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.catalogue.flows.resource import lock_resource, unlock_resource
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import Resource
from sessions_app.emergency import NOT_DONE
from sessions_app.error_pages import unavailable
from sessions_app.errors import Refused
from sessions_app.logins.models import LoginSession
from sessions_app.outcome import Undo, confirmation, outcome
from sessions_app.pages.catalogue.tables import visible_resources
from sessions_app.pages.people.tables import visible_accounts
from sessions_app.people.forms import LockdownForm, LockForm, ResourceLockForm
from sessions_app.people.models import AccountLock, Application
from sessions_app.privileged.flows.account import lock_account, unlock_account
from sessions_app.privileged.flows.lockdown import lock_down
from sessions_app.privileged.lifecycle import LifecycleError
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import is_administrator

logger = logging.getLogger(__name__)

TAKEN_BACK_BY = {"account_lock": "account_unlock", "resource_lock": "resource_unlock"}  # names of addresses
LOCK = "lock"  # in the address of the button Undo: the number of the lock that it lifts

get_or_post = require_http_methods(["GET", "HEAD", "POST"])


@get_or_post
def account_lock(request: HttpRequest, pk: int) -> HttpResponse:
    """Lock an account: the person is logged out and cut, their sessions are locked, and new ones are refused."""
    template = "sessions_app/pages/people/account_lock.html"
    account = _account(request, pk)
    return _confirmed(request, "account_lock", account, LockForm, lock_account, "Locked the account {}.", template)


@get_or_post
def account_unlock(request: HttpRequest, pk: int) -> HttpResponse:
    """Lift the lock of an account."""
    template = "sessions_app/pages/people/account_unlock.html"
    account, done = _account(request, pk), "Unlocked the account {}."
    return _confirmed(request, "account_unlock", account, forms.Form, unlock_account, done, template)


@get_or_post
def resource_lock(request: HttpRequest, pk: int) -> HttpResponse:
    """Close a resource to new sessions."""
    template = "sessions_app/pages/catalogue/resource_lock.html"
    resource, done = _resource(request, pk), "Closed {} to new sessions."
    return _confirmed(request, "resource_lock", resource, ResourceLockForm, lock_resource, done, template)


@get_or_post
def resource_unlock(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a resource to new sessions again."""
    template = "sessions_app/pages/catalogue/resource_unlock.html"
    resource, done = _resource(request, pk), "Opened {} to new sessions."
    return _confirmed(request, "resource_unlock", resource, forms.Form, unlock_resource, done, template)


@get_or_post
def account_cut(request: HttpRequest, pk: int) -> HttpResponse:
    """Cut everything of a person, and show line by line what was done."""
    account = _account(request, pk)
    context = {
        "account": account,
        "page_url": _page_of(account),
        "logins": LoginSession.objects.live().filter(user=account.pk).count(),
        "sessions": PrivilegedSession.objects.not_ended().filter(user=account.pk).count(),
    }
    form = LockdownForm(request.POST if request.method == "POST" else None, label_suffix="")
    if form.is_valid():
        try:
            lines = lock_down(viewer(request), account, reason=form.cleaned_data["reason"])
        except (Refused, LifecycleError) as error:
            form.add_error(None, str(error))
        except (DatabaseError, InterfaceError) as error:
            return _not_done(request, "account_cut", error)
        else:
            name = "account_cut_lines.html" if is_fragment(request) else "account_cut_done.html"
            return render(request, f"sessions_app/pages/people/{name}", {**context, "lines": lines})
    return _question(request, "sessions_app/pages/people/account_cut.html", {**context, "form": form})


def _account(request: HttpRequest, pk: int) -> AbstractUser:
    """Return the account that an administrator acts on. Raise Http404 or PermissionDenied."""
    account: AbstractUser = get_object_or_404(visible_accounts(viewer(request)), pk=pk)
    _administrators_only(request)
    return account


def _resource(request: HttpRequest, pk: int) -> Resource:
    """Return the resource that an administrator acts on. Raise Http404 or PermissionDenied."""
    resource = get_object_or_404(visible_resources(viewer(request)), pk=pk)
    _administrators_only(request)
    return resource


def _administrators_only(request: HttpRequest) -> None:
    if not is_administrator(viewer(request)):
        raise PermissionDenied("Only administrators lock, unlock and cut.")


def _confirmed(
    request: HttpRequest,
    name: str,
    thing: AbstractUser | Resource,
    form_class: type[forms.Form],
    act: Callable[..., object],
    done: str,
    template: str,
) -> HttpResponse:
    """Show the confirmation (GET), or act, say `done` and redirect to the page of `thing` (POST).

    `act` gets the person, `thing` and the values of the form. If it refuses, the form is shown again with the reason.
    `name` is that of the address, for the words of an outage.
    """
    form = form_class(request.POST if request.method == "POST" else None, label_suffix="")
    page_url = _page_of(thing)
    of_undo = _limits_of_undo(request, name)
    if form.is_valid():
        try:
            made = act(viewer(request), thing, **form.cleaned_data, **of_undo)
        except (Refused, LifecycleError) as error:
            if of_undo:  # no dialog is open that could show the form again
                return outcome(request, [("error", str(error))], page_url)
            form.add_error(None, str(error))
        except (DatabaseError, InterfaceError) as error:
            return _not_done(request, name, error)
        else:
            undo = None
            if isinstance(made, AccountLock | ResourceLock):
                undo = Undo(f"{reverse(TAKEN_BACK_BY[name], args=[thing.pk])}?{LOCK}={made.pk}")
            said = [("success", done.format(thing))]
            return outcome(request, said, page_url, leaves_page=not of_undo, undo=undo)
    return _question(request, template, {"thing": thing, "page_url": page_url, "form": form})


def _limits_of_undo(request: HttpRequest, name: str) -> dict[str, int]:
    """Return what the button Undo says in its address: the lock that it lifts, so that it lifts no later one."""
    number = typed(request.GET, LOCK)
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    return {"lock_id": int(number)} if is_number and name in TAKEN_BACK_BY.values() else {}


def _not_done(request: HttpRequest, name: str, error: DatabaseError | InterfaceError) -> HttpResponse:
    """Return a page that says what was not done because of an outage. Raise `error` if it tells of another fault."""
    outage = Outage.of(error)
    if outage is None:
        raise error
    logger.warning("%s: %s", request.path, NOT_DONE[name], exc_info=error)
    return unavailable(request, outage, NOT_DONE[name])


def _question(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return confirmation(request, template, context, status=422 if context["form"].is_bound else 200)


def _page_of(thing: Model) -> str:
    """Return the address of the page of `thing`. The account of an application has its page at the application."""
    if isinstance(thing, Resource):
        return thing.get_absolute_url()
    application = Application.objects.filter(principal=thing.pk).first()
    return application.get_absolute_url() if application else reverse("user", args=[thing.pk])
