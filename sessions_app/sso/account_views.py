"""Pages on which a person links the own account to a provider, and takes a link away."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.outcome import confirmation
from sessions_app.sso import flow, start
from sessions_app.sso.linking import unlink
from sessions_app.sso.models import Identity
from sessions_app.sso.pages import going_to, tells_failures_of
from sessions_app.sso.providers import Provider, providers


@require_safe
def sso_account(request: HttpRequest) -> HttpResponse:
    """Show which accounts at providers log in to the own account, and which could be linked."""
    known = providers()
    identities = list(Identity.objects.filter(user_id=viewer(request).pk).order_by("linked_at", "pk"))
    linked = {identity.issuer for identity in identities}
    names = {provider.issuer: provider.name for provider in known.values()}
    context = {
        "heading": "Single sign-on",
        "identities": [(identity, names.get(identity.issuer, identity.issuer)) for identity in identities],
        "providers": [provider for provider in known.values() if provider.issuer not in linked],
        "has_providers": bool(known),
    }
    return render(request, "sessions_app/sso/account.html", context)


@require_POST
@tells_failures_of(Provider)
def sso_link(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Send the person to the provider, which says who they are there. Then views.sso_callback() links the two."""
    return going_to(request, provider, start.begin(request, provider, flow.LINK, reverse("sso_account")))


@require_http_methods(["GET", "HEAD", "POST"])
def sso_unlink(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a confirmation (GET), or take a link of the own account away (POST)."""
    person = viewer(request)
    identity = get_object_or_404(Identity.objects.select_related("user"), pk=pk, user_id=person.pk)
    form = forms.Form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            unlink(person, identity)
        except Refused as refused:
            messages.error(request, refused.message)
        else:
            messages.success(request, f"“{identity.subject}” does not log in to your account any more.")
        return redirect("sso_account")
    context = {
        "heading": "Single sign-on",
        "title": "Remove link",
        "identity": identity,
        "form": form,
        "page_url": reverse("sso_account"),
        "has_password": person.has_usable_password(),
    }
    return confirmation(request, "sessions_app/sso/unlink.html", context)
