"""The request wizard: activity, resources, details, review.

The first three steps are links and GET forms, and the review is a POST form. Each works without JavaScript and with the
back button.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from activity.typed import LONGEST_IN_ADDRESS, typed
from activity.viewer import viewer
from sessions_app.error_pages import error_page
from sessions_app.errors import Refused, TooOften
from sessions_app.factors.fresh import require_fresh
from sessions_app.people.models import Application
from sessions_app.permission import lock_account_row
from sessions_app.privileged import request_token
from sessions_app.privileged.flows.request import allowed_activities, allowed_resources, request_sessions
from sessions_app.privileged.lifecycle import LifecycleError
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.privileged.request_draft import BadDraft, Draft, read_draft, with_ticked
from sessions_app.privileged.request_forms import DetailsForm
from sessions_app.privileged.request_memory import entered, forget, remember
from sessions_app.privileged.request_plan import Plan, conflicts, locked_resources, make_plan
from sessions_app.privileged.toolbar import role_refusals
from sessions_app.roles import is_administrator

STEPS = (("activity", "Activity"), ("resources", "Resources"), ("details", "Details"), ("review", "Review"))
MOST_SHOWN = 200  # how many resources a page shows; the search finds the others
DETAILS = ("notes", "ticket_number", "when", "start_at", "which")


@require_http_methods(["GET", "HEAD", "POST"])
def session_request(request: HttpRequest) -> HttpResponse:
    """Show a step (GET); or show the review, go back to the details, or send the request (POST)."""
    person = viewer(request)
    if refused := role_refusals(person).get("request"):
        raise PermissionDenied(refused)
    sent = request.POST if request.method == "POST" else request.GET
    try:
        draft = read_draft(person, sent)
        if request.method == "POST":
            return _posted(request, person, draft)
        return _step(request, person, draft)
    except BadDraft as problem:
        return error_page(request, 400, "This request was not understood", f"{problem} Nothing was changed.")


def _step(request: HttpRequest, person: AbstractUser, draft: Draft) -> HttpResponse:
    """Show the step that the address names, or the first one that is not complete."""
    step = typed(request.GET, "step") or "details"
    if step not in ("activity", "resources", "details"):
        raise BadDraft("The wizard has no such step.")
    if step == "activity" or draft.activity is None:
        return _activity_step(request, person, draft)
    if step == "resources" or not draft.resources:
        return _resources_step(request, person, draft, is_sent="resources" in request.GET or "chosen" in request.GET)
    kept = _details_of(entered(request, draft.key))
    plan = make_plan(draft, person.pk, _start_of(kept))
    return _details_step(request, draft, plan, _details_form(plan, initial=kept))


def _activity_step(request: HttpRequest, person: AbstractUser, draft: Draft) -> HttpResponse:
    applications = (
        Application.objects.select_related("principal").order_by("principal__username")
        if is_administrator(person)
        else Application.objects.none()
    )
    context = {"activities": list(allowed_activities(draft.user).order_by("name", "pk")), "applications": applications}
    return _page(request, "activity", draft, context)


def _resources_step(request: HttpRequest, person: AbstractUser, draft: Draft, *, is_sent: bool) -> HttpResponse:
    kept = entered(request, draft.key)
    if not is_sent:
        draft = with_ticked(draft, kept.get("resources", []))
    search = typed(request.GET, "q")
    assert draft.activity is not None  # noqa: S101 - _step() shows the first step without one
    found = allowed_resources(draft.user, draft.activity).order_by("name", "pk")
    if search:
        found = found.filter(name__folded_contains=search)
    shown = list(found[: MOST_SHOWN + 1])
    chosen = {resource.pk for resource in draft.resources}
    resources = [*draft.resources, *(each for each in shown[:MOST_SHOWN] if each.pk not in chosen)]
    problem = "Choose at least one resource." if is_sent and not chosen and not draft.problems else ""
    context = {
        "search": search,
        "resources": resources,
        "chosen": chosen,
        "locks": locked_resources(resources),
        "conflicts": conflicts(draft, resources, person.pk, _start_of(_details_of(kept))),
        "is_truncated": len(shown) > MOST_SHOWN,
        "most_shown": MOST_SHOWN,
        "problem": problem,
    }
    return _page(request, "resources", draft, context)


def _details_form(plan: Plan, data: Any = None, initial: Any = None) -> DetailsForm:
    return DetailsForm(
        data,
        initial=initial,
        notes_for=plan.notes_for,
        ticket_number_for=plan.ticket_number_for,
        zone=timezone.get_current_timezone_name(),
    )


def _details_step(
    request: HttpRequest, draft: Draft, plan: Plan, form: DetailsForm, *, problem: str = "", status: int = 200
) -> HttpResponse:
    return _page(request, "details", draft, {"form": form, "plan": plan, "problem": problem}, status=status)


def _posted(request: HttpRequest, person: AbstractUser, draft: Draft) -> HttpResponse:
    """Show the review or the details, or send the request.

    Show the step with the problem if a choice is no longer possible.
    """
    do, sent = typed(request.POST, "do"), _details_of(request.POST)
    if do in ("save", "activity", "resources"):
        return _kept(request, person, draft, do)
    if draft.activity is None:
        return _activity_step(request, person, draft)
    if not draft.resources or draft.problems:
        return _resources_step(request, person, draft, is_sent=True)
    plan = make_plan(draft, person.pk, _start_of(sent))
    if do == "edit":
        return _details_step(request, draft, plan, _details_form(plan, initial=sent))
    if do != "send":
        remember(request, person, draft.key, sent)
    form = _details_form(plan, request.POST)
    if not form.is_valid():
        return _details_step(request, draft, plan, form, status=422)
    if do == "send":
        return _send(request, person, draft, plan, form)
    return _review_step(request, draft, plan, form)


def _kept(request: HttpRequest, person: AbstractUser, draft: Draft, do: str) -> HttpResponse:
    """Store what was entered so far. Go back to the step `do`, or stay where one is for `save`."""
    sent = request.POST
    values: dict[str, Any] = {name: typed(sent, name, LONGEST_IN_ADDRESS) for name in DETAILS if name in sent}
    if "chosen" in sent:
        values["resources"] = [str(resource.pk) for resource in draft.resources]
    remember(request, person, draft.key, values)
    if do == "save":
        return HttpResponse(status=204)
    return redirect(f"{reverse('session_request')}?{urlencode([*draft.pairs, ('step', do)])}")


def _details_of(sent: Mapping[str, Any]) -> dict[str, str]:
    return {name: typed(sent, name, LONGEST_IN_ADDRESS) for name in DETAILS if name in sent}


def _start_of(sent: Mapping[str, str]) -> dt.datetime | None:
    """Return the start that was entered; None for as soon as possible, and for one that cannot be."""
    form = DetailsForm(sent)
    form.is_valid()
    return None if form.errors.get("start_at") or form.errors.get("which") else form.cleaned_data.get("start_at")


def _review_step(
    request: HttpRequest, draft: Draft, plan: Plan, form: DetailsForm, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "form": form,
        "plan": plan,
        "start": form.start,
        "zone": timezone.get_current_timezone_name(),
        "offset": form.start.isoformat()[-6:] if form.start and form.cleaned_data.get("which") else "",
        "entered": list(_details_of(form.data).items()),
        "token": request_token.issue(request),
        "problem": problem,
    }
    return _page(request, "review", draft, context, status=status)


def _send(request: HttpRequest, person: AbstractUser, draft: Draft, plan: Plan, form: DetailsForm) -> HttpResponse:
    """Send the request once. A second submit of the same form shows what the first one made.

    Raise FreshFactorNeeded if something begins at once whose connection profile asks for a second factor.
    """
    assert draft.activity is not None  # noqa: S101 - _posted() has looked
    token = typed(request.POST, "token")
    if plan.confirms_start:
        require_fresh(request, "begin the session")
    try:
        with transaction.atomic():
            lock_account_row(person)
            made = request_token.result_of(request, token)
            if made is None:
                sessions = request_sessions(
                    person,
                    user=draft.user,
                    activity=draft.activity,
                    resources=list(draft.resources),
                    notes=form.cleaned_data["notes"],
                    ticket_number=form.cleaned_data["ticket_number"],
                    start_at=form.start,
                    is_confirmed=plan.confirms_start,
                )
                made = [session.pk for session in sessions]
                request_token.store_result(request, token, made)
    except KeyError:
        problem = "This page was out of date; nothing was requested. Read it again and send it now."
        return _review_step(request, draft, plan, form, problem=problem, status=422)
    except TooOften as refused:
        response = _details_step(request, draft, plan, form, problem=refused.message, status=429)
        response["Retry-After"] = str(refused.retry_after)
        return response
    except Refused as refused:
        if refused.field in form.fields:
            form.add_error(refused.field, refused.message)
            return _details_step(request, draft, plan, form, status=422)
        return _details_step(request, draft, plan, form, problem=refused.message, status=422)
    except LifecycleError as refused:
        return _details_step(request, draft, plan, form, problem=str(refused), status=422)
    forget(request, person, draft.key)
    return _requested(request, person, made)


NEXT = {
    Status.WAITING: ("it waits for approval", "approvals"),
    Status.PENDING: ("it is scheduled", "scheduled"),
    Status.PROVISIONING: ("it is being provisioned", "active"),
}


def _requested(request: HttpRequest, person: AbstractUser, made: list[int]) -> HttpResponse:
    """Redirect to the session, or to the list that shows the sessions, with a message about what comes next."""
    rows = list(PrivilegedSession.objects.visible_to(person).filter(pk__in=made).order_by("pk"))
    for row in rows:
        messages.success(
            request, f"Requested {row}: {NEXT.get(Status(row.status), (row.get_status_display(), ''))[0]}."
        )
    if len(rows) == 1:
        return redirect(rows[0])
    if rows and rows[0].status == Status.WAITING:
        return redirect("approvals")
    tab = NEXT[Status(rows[0].status)][1] if rows and Status(rows[0].status) in NEXT else "active"
    return redirect(f"{reverse('sessions')}?tab={tab}")


def _page(request: HttpRequest, step: str, draft: Draft, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    here = reverse("session_request")
    names = [name for name, _ in STEPS]
    reached = names.index(step)
    steps = [
        {
            "name": name,
            "label": label,
            "url": f"{here}?{urlencode([*draft.pairs, ('step', name)])}" if index < reached else "",
            "is_here": index == reached,
            "is_done": index < reached,
        }
        for index, (name, label) in enumerate(STEPS)
    ]
    # On these steps the way back sends the form, so that nothing that was entered is lost.
    sends = {"resources": ("step", "resources"), "details": ("do", "review")}.get(step)
    shown = {"heading": "Request session", "steps": steps, "draft": draft, "sends": sends, **context}
    response = render(request, f"sessions_app/privileged/request_{step}.html", shown, status=status)
    response["Cache-Control"] = "no-store" if step == "review" else "private, no-cache"
    return response
