"""Views of single sign-on: to the provider, back from it, and the logout that a provider asks for."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from activity.addresses import safe_next
from activity.models import Outcome
from activity.text import plain
from activity.typed import LONGEST_IN_ADDRESS, typed
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.sso import arrival, back_channel, confirm, flow, oidc, start
from sessions_app.sso.errors import AnswerRefused, ProviderUnavailable
from sessions_app.sso.linking import link
from sessions_app.sso.pages import provider_or_404, tells_failures_of
from sessions_app.sso.providers import OidcProvider, Provider
from sessions_app.sso.tokens import LONGEST_TOKEN, InvalidToken

logger = logging.getLogger(__name__)
LONGEST_CODE = 4096  # characters


@login_not_required
@require_GET
@tells_failures_of(Provider)
def sso_login(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Send the browser to the provider. It comes back to sso_callback().

    A link on another site leads to the login page first, so that no site begins a login without a click here.
    """
    next_url = safe_next(request, typed(request.GET, "next", LONGEST_IN_ADDRESS), reverse("home"))
    if request.headers.get("Sec-Fetch-Site", "none") == "cross-site":
        return redirect("login")
    return redirect(start.begin(request, provider, flow.LOGIN, next_url))


@login_not_required
@require_GET
@tells_failures_of(OidcProvider)
@sensitive_variables()
def sso_callback(request: HttpRequest, provider: OidcProvider) -> HttpResponse:
    """Take the answer of a provider: log somebody in, link their account, or confirm who they are."""
    trip = flow.resume(request, provider, typed(request.GET, "state", 200))
    oidc.check_answering_issuer(provider, typed(request.GET, "iss", LONGEST_IN_ADDRESS))
    if error := plain(typed(request.GET, "error", 200), 60):
        return _not_agreed(request, provider, trip, error)
    code = typed(request.GET, "code", LONGEST_CODE)
    if not code:
        raise AnswerRefused(provider.name, "the answer has no code")
    try:
        who = flow.arrival_of(provider, oidc.exchange(provider, trip.transaction, code))
    except AnswerRefused as refused:
        entry = f"A login by {provider.name} was refused: {refused.detail}"
        raise arrival.refusal(refused.heading, refused.message, entry, outcome=Outcome.FAILURE) from refused
    if trip.purpose == flow.CONFIRM:
        return confirm.come_back(request, provider, trip.parked, trip.next_url, who)
    return finish(request, provider, who, trip.purpose, trip.next_url)


def finish(request: HttpRequest, provider: Provider, who: arrival.Arrival, purpose: str, next_url: str) -> HttpResponse:
    """End the trip of somebody whom the provider has named: link their account, or log them in."""
    if purpose == flow.LINK:
        return _link(request, provider, who)
    return arrival.log_in(request, provider, who, next_url)


def _not_agreed(request: HttpRequest, provider: OidcProvider, trip: flow.Trip, error: str) -> HttpResponse:
    """Answer a login that the person broke off, or that the provider refused."""
    logger.info("%s did not log anybody in: %s", provider.slug, error)
    if error == "access_denied":
        said = f"The login at {provider.name} was broken off. "
    else:
        said = f"{provider.name} did not log you in ({error}). "
    if trip.purpose == flow.LOGIN:
        messages.warning(request, f"{said}You are not logged in.")
        return redirect("login")
    messages.warning(request, f"{said}Nothing was changed.")
    return redirect(trip.next_url)


def _link(request: HttpRequest, provider: Provider, who: arrival.Arrival) -> HttpResponse:
    me = viewer(request)
    try:
        link(me, me, provider, who.issuer, who.subject)
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"Your account is linked to {provider.name}. From now on you can log in with it.")
    return redirect("sso_account")


@csrf_exempt
@login_not_required
@require_POST
@sensitive_variables("token")
def sso_back_channel_logout(request: HttpRequest, slug: str) -> HttpResponse:
    """End the logins that a provider's logout token names.

    No person comes here: the signature of the token is what allows it.
    """
    provider = provider_or_404(slug, OidcProvider)
    token = typed(request.POST, "logout_token", LONGEST_TOKEN)
    problem, status = "", 200
    try:
        count = back_channel.end_logins(provider, token)
    except InvalidToken as error:
        logger.warning("%s: a logout token was refused: %s", provider.slug, error)
        problem, status = str(error), 400
    except ProviderUnavailable as error:
        logger.warning("%s: a logout token could not be checked: %s", provider.slug, error.detail)
        problem, status = "the keys of the provider cannot be fetched", 503
    if problem:
        response: HttpResponse = JsonResponse({"error": "invalid_request", "error_description": problem}, status=status)
    else:
        logger.info("%s ended %d login sessions", provider.slug, count)
        response = HttpResponse(status=200)
    response["Cache-Control"] = "no-store"
    return response
