"""The page on which a person confirms who they are, before anything asks for it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from activity.addresses import safe_next
from activity.typed import LONGEST_IN_ADDRESS, typed
from activity.viewer import viewer
from sessions_app.factors.fresh import confirmed_until
from sessions_app.factors.proof import ProofForm, accept
from sessions_app.factors.question import MINUTES, until_words
from sessions_app.logins.backend import current_login

WORDS = "go on without being asked"


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask for a factor (GET), or check it and go to the page that `next` names (POST)."""
    sent = request.POST if request.method == "POST" else request.GET
    next_url = safe_next(request, typed(sent, "next", LONGEST_IN_ADDRESS), reverse("account"))
    login = current_login(request)
    form = ProofForm(request, viewer(request), WORDS, request.POST if request.method == "POST" else None)
    if login is not None and form.is_valid():
        until = accept(login, viewer(request), WORDS, form.factor)
        messages.success(request, until_words(until))
        return redirect(next_url)
    context = {
        "heading": "Confirm that it is you",
        "form": form,
        "until": confirmed_until(login) if login is not None else None,
        "minutes": MINUTES,
        "next": next_url,
        "hidden": ("next", next_url),
    }
    response = render(
        request, "sessions_app/factors/confirm.html", context, status=form.status if form.is_bound else 200
    )
    response["Cache-Control"] = "no-store"
    if form.retry_after:
        response["Retry-After"] = str(form.retry_after)
    return response
