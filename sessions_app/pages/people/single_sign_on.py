"""The page on which an administrator links a person's account to an account at a provider, and takes links away."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from activity.typed import typed
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.outcome import outcome
from sessions_app.pages.people.configuration import USERS
from sessions_app.sso.linking import link, unlink
from sessions_app.sso.models import Identity
from sessions_app.sso.providers import providers
from sessions_app.sso.tokens import LONGEST_SUBJECT

REMOVE = "remove"  # the name of the button that takes a link away; its value is the key of the identity


class LinkForm(forms.Form):
    """Asks for the provider and for the subject, by which the provider knows the person."""

    provider = forms.ChoiceField()
    subject = forms.CharField(
        max_length=LONGEST_SUBJECT,
        help_text="How the provider calls the person for good (“sub”), often a long number: never an e-mail address. "
        "It stands in the activity log when somebody without a link tries to log in.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        field = self.fields["provider"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = [(provider.slug, provider.name) for provider in providers().values()]


@require_http_methods(["GET", "HEAD", "POST"])
def user_sso(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how a person logs in by single sign-on (GET), or add or remove a link (POST)."""
    person = USERS.find(request, pk)
    here = reverse("user_sso", args=[person.pk])
    removed = typed(request.POST, REMOVE)
    if request.method == "POST" and removed:
        number = int(removed) if removed.isascii() and removed.isdigit() and len(removed) < 19 else 0
        identity = get_object_or_404(Identity.objects.select_related("user"), pk=number, user_id=person.pk)
        count = unlink(viewer(request), identity)
        ended = f" {count} login{'s' if count != 1 else ''} by it ended." if count else ""
        return outcome(
            request, [("success", f"“{identity.subject}” does not log in to {person} any more.{ended}")], here
        )
    form = LinkForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        provider = providers()[form.cleaned_data["provider"]]
        subject = form.cleaned_data["subject"]
        try:
            link(viewer(request), person, provider, provider.issuer, subject)
        except Refused as refused:
            form.add_error(refused.field or None, refused.message)
        else:
            said = f"“{subject}” of {provider.name} logs in to {person} from now on."
            return outcome(request, [("success", said)], here)
    names = {provider.issuer: provider.name for provider in providers().values()}
    identities = Identity.objects.filter(user_id=person.pk).select_related("linked_by").order_by("linked_at", "pk")
    context = {
        "title": f"Single sign-on of {person}",
        "person": person,
        "identities": [(identity, names.get(identity.issuer, identity.issuer)) for identity in identities],
        "form": form,
        "has_providers": bool(names),
        "back": USERS.page_of(person),
    }
    status = 422 if form.is_bound else 200
    return render(request, "sessions_app/pages/people/user_sso.html", context, status=status)
