"""Asks for a fresh factor before a deed of step_up.py, and goes on with it afterwards.

It stands last, so that strangers, limits and a login that must enrol first were answered already. The question is sent
to the address of the deed, together with the form that waits (parking.py). Once the factor is right, the request
becomes the one that waited, and the view runs as if nothing had been asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from activity.listing.response import is_fragment
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.factors import question
from sessions_app.factors.fresh import FreshFactorNeeded, confirmed_until, is_fresh
from sessions_app.factors.parking import FIELD, NotParked, ParkedForm, open_form, parked, unpark
from sessions_app.factors.proof import ProofForm, accept
from sessions_app.factors.step_up import waiting_deed
from sessions_app.logins.backend import current_login
from sessions_app.logins.models import LoginSession

LONGEST = 4_000_000  # characters of a form that waits; Django takes 2.5 MB of what was typed
GOES_ON = "sessions_app.factors.goes_on"  # in request.META: the form that was confirmed in this request


class StepUpMiddleware:
    """Middleware that lets no deed of the table reach its view without a fresh factor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        form = request.META.get(GOES_ON)
        if form is not None:
            _tell_confirmed(request, response, form)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> HttpResponse | None:
        """Return the question if the deed has to wait, or None to let the view run."""
        if request.method == "POST" and FIELD in request.POST:
            login = current_login(request)
            return None if login is None else _answered(request, login)
        words = waiting_deed(request)
        login = current_login(request) if words else None
        if login is None or is_fresh(login):
            return None
        return question.ask(request, login, parked(request, words))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the question if a view found that it needs a fresh factor."""
        login = current_login(request) if isinstance(exception, FreshFactorNeeded) else None
        if login is None or not isinstance(exception, FreshFactorNeeded):
            return None
        return question.ask(request, login, parked(request, exception.words))


def _answered(request: HttpRequest, login: LoginSession) -> HttpResponse | None:
    """Check the factor that came with a form. Return the question again, or None to go on with the form."""
    try:
        form = open_form(typed(request.POST, FIELD, LONGEST), login)
        if form.address != request.get_full_path():
            raise NotParked
    except NotParked:
        return question.not_kept(request)
    if not is_fresh(login):
        proof = ProofForm(request, viewer(request), form.words, request.POST)
        if not proof.is_valid():
            return question.ask(request, login, form, proof)
        accept(login, viewer(request), form.words, proof.factor)
        request.META[GOES_ON] = form
    if form.is_reading and not is_fragment(request):
        return question.go_on_reading(request, login, form)
    unpark(request, form)
    return None


def _tell_confirmed(request: HttpRequest, response: HttpResponse, form: ParkedForm) -> None:
    """Say until when the person is not asked again, beside what was done.

    HTMX also has to close the dialog, unless the answer is for the dialog itself.
    """
    login = current_login(request)
    until = confirmed_until(login) if login is not None else None
    if until is None:
        return
    text = question.until_words(until)
    if response.status_code == 302 or "HX-Redirect" in response:
        messages.info(request, text)
    elif not is_fragment(request):
        return
    elif form.target or response.status_code == 204:
        events = json.loads(response.get("HX-Trigger", "{}"))
        events.setdefault("done", {}).setdefault("messages", []).append(["info", text])
        response["HX-Trigger"] = json.dumps(events)
