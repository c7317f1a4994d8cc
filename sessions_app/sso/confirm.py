"""Confirming at a provider who one is, for people without a second factor here: step_up_middleware.py asks."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from activity.addresses import safe_next
from activity.typed import LONGEST_IN_ADDRESS, typed
from activity.viewer import viewer
from sessions_app.factors import check, proof, question, step_up_views
from sessions_app.factors.parking import FIELD, NotParked, open_form
from sessions_app.factors.step_up_provider import PARKED, ProviderWay
from sessions_app.logins.backend import current_login
from sessions_app.sso import flow, start
from sessions_app.sso.arrival import Arrival, identity_of, refusal
from sessions_app.sso.models import Identity
from sessions_app.sso.pages import going_to, tells_failures_of
from sessions_app.sso.providers import Provider, providers

LONGEST = 1_000_000  # characters of a form that waits in the session


def way_of(user: AbstractUser) -> ProviderWay | None:
    """Return the provider that the person used last."""
    known = {one.issuer: one for one in providers().values()}
    if not known:
        return None
    linked = Identity.objects.filter(user_id=user.pk, issuer__in=known).order_by("-last_login_at", "pk")
    issuer = linked.values_list("issuer", flat=True).first()
    if issuer is None:
        return None
    provider = known[issuer]
    return ProviderWay(provider.name, reverse("sso_confirm", args=[provider.slug]))


@sensitive_post_parameters()
@require_POST
@tells_failures_of(Provider)
def sso_confirm(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Send the person to the provider, which has to ask for a factor anew. What was typed waits in the session."""
    login = current_login(request)
    kept = typed(request.POST, PARKED, LONGEST)
    next_url = safe_next(request, typed(request.POST, "next", LONGEST_IN_ADDRESS), reverse("account"))
    if kept and login is not None:
        try:
            open_form(kept, login)
        except NotParked:
            return question.not_kept(request)
    begun = start.begin(request, provider, flow.CONFIRM, next_url, must_authenticate=True, parked=kept)
    return going_to(request, provider, begun)


def come_back(request: HttpRequest, provider: Provider, parked: str, next_url: str, who: Arrival) -> HttpResponse:
    """Note the fresh factor, and go on with what waited.

    Raise SignOnFailed for the account of somebody else, and where the second factor of the person is what counts: the
    provider stands in for it only if it has asked for two factors itself, as at a login.
    """
    me, login = viewer(request), current_login(request)
    identity = identity_of(who)
    if login is None or identity is None or identity.user_id != me.pk:
        raise refusal(
            "That is not your account",
            f"You confirmed at {provider.name} as somebody who is not linked to your account here. Nothing was done.",
            f"{me.get_username()} was not confirmed: “{who.subject}” of {provider.name} is not linked to the account",
            user=me,
        )
    if check.factors_of(me).any and not who.has_second_factor:
        raise refusal(
            "Your second factor is needed",
            f"You have a second factor here, and {provider.name} did not ask for one. Nothing was done. Go back and "
            "confirm with the second factor.",
            f"{me.get_username()} was not confirmed: {provider.name} did not ask for a second factor",
            user=me,
        )
    try:
        form = open_form(parked, login) if parked else None
    except NotParked:
        return question.not_kept(request)
    words = form.words if form is not None else step_up_views.WORDS
    until = proof.accept(login, me, words, provider.name)
    if form is None:
        messages.success(request, question.until_words(until))
        return redirect(next_url)
    if form.is_reading:
        return question.go_on_reading(request, login, form)
    context = {
        "heading": "Confirmed",
        "words": words,
        "until": until,
        "action": form.address,
        "name": FIELD,
        "kept": parked,
        "back": form.back,
    }
    return render(request, "sessions_app/sso/go_on.html", context)
