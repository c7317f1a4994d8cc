"""The view of /sessions/do/<verb>/: it asks for confirmation, performs the action, and reports it for each session.

View log and Relaunch have the same form of address, so that the toolbar works without JavaScript; they only redirect.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_http_methods

from activity.outage import Outage
from activity.typed import LONGEST_IN_ADDRESS, typed
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.outcome import Undo, confirmation, outage_text, outcome
from sessions_app.permission import AUDITORS_CHANGE_NOTHING
from sessions_app.privileged.action_verbs import ACTIONS, Action, action_for
from sessions_app.privileged.flows.start_check import mark_without_right
from sessions_app.privileged.forms import ActionForm
from sessions_app.privileged.lifecycle import LifecycleError
from sessions_app.privileged.models import ControlKind, ControlRequest, PrivilegedSession, Status
from sessions_app.privileged.status_badges import status_cell
from sessions_app.privileged.tables import refusals_for, sessions_queryset
from sessions_app.privileged.toolbar import role_refusals

logger = logging.getLogger(__name__)

MOST_SESSIONS = 200
NEWEST_LOCK = "newest_lock"  # in the address of the button Undo: the number of the lock that it lifts
MOST_TO_UNDO = 20  # their numbers have to fit into a header of the answer
NAMED_AT_MOST = 3  # this many sessions are named in the outcome; the others are counted
MOST_LINES = 8  # because they are sent in a header of the response
LARGEST_ID = 2**63 - 1

# What a confirmation shows in addition when it is a page of its own and not a dialog.
PAGE = {"heading": "Sessions", "back": reverse_lazy("sessions"), "back_label": "Back to the sessions"}

OutcomeLines = list[tuple[str, str]]


class BadSelection(Exception):
    """The selected ids do not name sessions that can be acted on. The text is for the person; the status is 400."""


@require_http_methods(["GET", "HEAD", "POST"])
def session_action(request: HttpRequest, verb: str) -> HttpResponse:
    """Show a confirmation (GET) or perform the action (POST).

    Unknown verbs, and sessions that the person may not see, get a 404.
    """
    person = viewer(request)
    if verb not in (*ACTIONS, "log", "relaunch"):
        raise Http404
    if refused := role_refusals(person).get(verb):
        raise PermissionDenied(refused)
    sent = request.POST if request.method == "POST" else request.GET
    try:
        rows = _selected(person, sent)
        if verb in ("log", "relaunch"):
            return _redirect(request, verb, rows, person)
    except BadSelection as problem:
        context = {"title": "Nothing to act on", "text": str(problem), **PAGE}
        return confirmation(request, "sessions_app/privileged/action_problem.html", context, status=400)
    refusals = refusals_for(person)
    if {refusals(row).get(verb) for row in rows} == {AUDITORS_CHANGE_NOTHING}:
        raise PermissionDenied(AUDITORS_CHANGE_NOTHING)
    action, next_url = action_for(verb, rows), typed(sent, "next", LONGEST_IN_ADDRESS)
    if request.method != "POST":
        return _confirm(request, verb, rows, person, action.form(), next_url)
    form = action.form(request.POST)
    if not form.is_valid():
        return _confirm(request, verb, rows, person, form, next_url, status=422)
    values = form.cleaned_data | _limits_of_undo(request, verb)
    lines, done = _do(action, person, rows, values)
    undo = _undo(action, done, form.cleaned_data)
    return outcome(request, lines, next_url or reverse("sessions"), undo=undo)


def _selected(person: AbstractUser, sent: QueryDict) -> list[PrivilegedSession]:
    """Return the selected sessions in the order of their requests. Raise BadSelection or Http404."""
    chosen = dict.fromkeys(sent.getlist("ids"))
    if not chosen:
        raise BadSelection("Select a session first.")
    if len(chosen) > MOST_SESSIONS:
        raise BadSelection(f"At most {MOST_SESSIONS} sessions at once. Select fewer.")
    if not all(text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_ID for text in chosen):
        raise BadSelection("The selection was not understood. Select the sessions in the list.")
    rows = list(
        sessions_queryset(person)
        .select_related("user", "resource", "activity")
        .filter(pk__in={int(text) for text in chosen})
        .order_by("pk")
    )
    if len(rows) != len({int(text) for text in chosen}):
        raise Http404
    return rows


def _redirect(request: HttpRequest, verb: str, rows: list[PrivilegedSession], person: AbstractUser) -> HttpResponse:
    """Redirect to the session's log, or to the wizard with the values of this session."""
    if request.method == "POST":
        raise BadSelection("This only shows a page; follow it as a link.")
    if len(rows) != 1:
        raise BadSelection("Select one session only.")
    row = rows[0]
    if verb == "log":
        return redirect("session_log", pk=row.pk)
    if refused := refusals_for(person)(row).get("relaunch"):
        raise BadSelection(refused)
    parameters: dict[str, Any] = {"activity": row.activity_id, "resources": row.resource_id}
    application = getattr(row.user, "application", None)
    if application is not None and row.user_id != person.pk:
        parameters["for"] = application.pk
    return redirect(f"{reverse('session_request')}?{urlencode(parameters)}")


def _confirm(
    request: HttpRequest,
    verb: str,
    rows: list[PrivilegedSession],
    person: AbstractUser,
    form: ActionForm,
    next_url: str,
    *,
    status: int = 200,
) -> HttpResponse:
    refusals = refusals_for(person)
    action = action_for(verb, rows)
    if verb == "extend":
        mark_without_right(rows)
    shown = [
        {
            "session": row,
            "status": status_cell(row),
            "refused": refusals(row).get(verb, ""),
            "about": action.about(row),
        }
        for row in rows
    ]
    possible = sum(not row["refused"] for row in shown)
    context = {
        "title": action.label,
        "action": action,
        "action_url": reverse("session_action", args=[verb]),
        "is_danger": action.is_danger,
        "rows": shown,
        "possible": possible,
        "refused": len(shown) - possible,
        "form": form,
        "next": next_url,
        **PAGE,
    }
    return confirmation(request, "sessions_app/privileged/action_confirm.html", context, status=status)


def _undo(action: Action, done: list[PrivilegedSession], values: dict[str, Any]) -> Undo | None:
    """Return what takes the action back for the sessions that it was done for; None where one click cannot.

    A lock that also closed a resource or an account is lifted on the pages of those.
    """
    if (
        not action.undo
        or not 0 < len(done) <= MOST_TO_UNDO
        or values.get("forbid_resource")
        or values.get("lock_account")
    ):
        return None
    url = reverse("session_action", args=[action.undo])
    newest = ControlRequest.objects.filter(session__in=done, kind=ControlKind.LOCK).aggregate(pk=Max("pk"))["pk"]
    return Undo(f"{url}?{NEWEST_LOCK}={newest}", tuple(str(row.pk) for row in done))


def _limits_of_undo(request: HttpRequest, verb: str) -> dict[str, int]:
    """Return what the button Undo says in its address: which lock it lifts, so that it lifts no later one."""
    number = typed(request.GET, NEWEST_LOCK)
    if verb != "unlock" or not (number.isascii() and number.isdigit() and len(number) < 19):
        return {}
    return {NEWEST_LOCK: int(number)}


def _do(
    action: Action, person: AbstractUser, rows: list[PrivilegedSession], values: dict[str, Any]
) -> tuple[OutcomeLines, list[PrivilegedSession]]:
    """Perform the action for each session in a transaction of its own.

    Return a line for each, and the sessions for which it was done.

    A session that refuses does not stop the others. An outage that lasts longer than the retries (activity/retries.py)
    does.
    """
    done: list[PrivilegedSession] = []
    refused: dict[str, list[PrivilegedSession]] = defaultdict(list)
    locked_accounts: set[int] = set()
    outage: Outage | None = None
    for row in rows:
        if outage is not None:
            refused[outage_text(outage)].append(row)
            continue
        if row.user_id in locked_accounts and _is_locked_now(row):
            done.append(row)  # an earlier session of this selection has locked the whole account
            continue
        try:
            action.do(person, row, **values)
        except Refused as problem:
            refused[problem.message].append(row)
        except LifecycleError as problem:
            refused[str(problem)].append(row)
        except (DatabaseError, InterfaceError) as error:
            outage = Outage.of(error)
            if outage is None:
                raise
            logger.warning("%s: not %s", row, action.done, exc_info=error)
            refused[outage_text(outage)].append(row)
        else:
            done.append(row)
            if values.get("lock_account"):
                locked_accounts.add(row.user_id)
    lines = [("success", f"{_names(done)}: {action.done}.")] if done else []
    lines += [("error", f"{_names(rows)}: not {action.done}. {reason}") for reason, rows in refused.items()]
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES + 1
        lines[MOST_LINES - 1 :] = [("error", f"{rest} more reasons; try those sessions by themselves to read them.")]
    return lines, done


def _is_locked_now(row: PrivilegedSession) -> bool:
    row.refresh_from_db(fields=["status"])
    return row.status == Status.LOCKED


def _names(rows: list[PrivilegedSession]) -> str:
    return ", ".join(str(row) for row in rows) if len(rows) <= NAMED_AT_MOST else f"{len(rows)} sessions"
