"""The question for a fresh factor: in the dialog over the page, or on a page of its own."""

from __future__ import annotations

import datetime as dt

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from activity.listing.response import is_fragment
from activity.viewer import viewer
from sessions_app.error_pages import error_page
from sessions_app.factors.fresh import FRESH_FOR, confirmed_until
from sessions_app.factors.parking import FIELD, ParkedForm, seal_form
from sessions_app.factors.proof import ProofForm
from sessions_app.factors.step_up import is_download
from sessions_app.logins.models import LoginSession
from sessions_app.outcome import confirmation

FRAGMENT = "sessions_app/factors/confirm_form.html"
MINUTES = FRESH_FOR.seconds // 60


def until_words(until: dt.datetime) -> str:
    """Return until when the person is not asked again, in the zone of the viewer."""
    return f"Confirmed until {timezone.localtime(until):%H:%M:%S}."


def ask(request: HttpRequest, login: LoginSession, form: ParkedForm, proof: ProofForm | None = None) -> HttpResponse:
    """Return the question before the deed of `form`; again, with what was wrong, if `proof` was answered.

    HTMX gets it in the dialog, whichever element the answer was meant for. A script that wants no page gets a JSON text
    with the problem and the address of the page that asks.
    """
    if not (is_fragment(request) or request.accepts("text/html")):
        text = f"Confirm that it is you to {form.words}. Nothing was done."
        return JsonResponse({"problem": text, "confirm": reverse("confirm")}, status=403)
    asked = proof or ProofForm(request, viewer(request), form.words)
    context = {
        "title": "Confirm that it is you",
        "heading": capfirst(form.words),
        "words": form.words,
        "form": asked,
        "minutes": MINUTES,
        "action_url": form.address,
        "hidden": (FIELD, seal_form(form, login)),
        "target": form.target or "dialog",
        "back": form.back,
    }
    if is_fragment(request):
        response = confirmation(request, FRAGMENT, context, status=200 if proof is None else 422)
        response["HX-Retarget"], response["HX-Reswap"], response["HX-Push-Url"] = "#dialog", "innerHTML", "false"
        return response
    response = confirmation(request, FRAGMENT, context, status=403 if proof is None else asked.status)
    if asked.retry_after:
        response["Retry-After"] = str(asked.retry_after)
    return response


def go_on_reading(request: HttpRequest, login: LoginSession, form: ParkedForm) -> HttpResponse:
    """Open the page that the person wanted. For a download return a page that begins it by itself."""
    if not is_download(form.address):
        return redirect(form.address)
    context = {
        "heading": "Confirmed",
        "words": form.words,
        "until": confirmed_until(login),
        "address": form.address,
        "back": form.back,
    }
    response = render(request, "sessions_app/factors/confirmed.html", context)
    response["Refresh"] = f"0; url={form.address}"
    response["Cache-Control"] = "no-store"
    return response


def not_kept(request: HttpRequest) -> HttpResponse:
    """Return a page that says that a form cannot be gone on with, because it is too old or another login's."""
    text = (
        "It was kept for a quarter of an hour, and for the login that it was made in. Nothing was changed. Go back to "
        "the page and do it once more."
    )
    return error_page(request, 400, "This form is not kept any more", text)
