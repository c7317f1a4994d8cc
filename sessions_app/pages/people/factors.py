"""The page on which administrators see a person's second factors, say whether one is required, and reset them."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from activity import log
from activity.verbs import Verb
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.factors import check
from sessions_app.factors.flows.reset import reset_factors
from sessions_app.factors.models import FactorRule
from sessions_app.factors.names import with_labels
from sessions_app.factors.required import is_required
from sessions_app.outcome import confirmation, outcome
from sessions_app.pages.people.configuration import USERS

CHOICES = {"": None, "yes": True, "no": False}
WORDS = {None: "as the settings of sign-in say", True: "required", False: "not required"}


class RuleForm(forms.Form):
    """Says whether this person must have a second factor."""

    required = forms.ChoiceField(
        label="Second factor",
        required=False,
        choices=[("", "As the settings of sign-in say"), ("yes", "Required"), ("no", "Not required")],
        help_text="Whoever has none can then only open the page where one is set up.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
def user_factors(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a person's second factors (GET), or change whether one is required (POST)."""
    person = USERS.find(request, pk)
    here = reverse("user_factors", args=[person.pk])
    rule = FactorRule.objects.filter(user_id=person.pk).first()
    now = rule.is_required if rule is not None else None
    names = {value: name for name, value in CHOICES.items()}
    form = RuleForm(
        request.POST if request.method == "POST" else None, initial={"required": names[now]}, label_suffix=""
    )
    if form.is_valid():
        wanted = CHOICES[form.cleaned_data["required"]]
        if wanted != now:
            with transaction.atomic():
                FactorRule.objects.update_or_create(user_id=person.pk, defaults={"is_required": wanted})
                text = f"The second factor of {person} is {WORDS[wanted]}; before: {WORDS[now]}"
                log.record(Verb.RECORD_CHANGED, text, actor=viewer(request), user=person)
        return outcome(request, [("success", f"The second factor of {person} is {WORDS[wanted]}.")], here)
    context = {
        "title": f"Sign-in of {person}",
        "person": person,
        "rows": with_labels(Authenticator.objects.filter(user_id=person.pk).order_by("created_at", "pk")),
        "factors": check.factors_of(person),
        "is_required": is_required(person),
        "form": form,
        "is_own": person.pk == viewer(request).pk,
        "back": USERS.page_of(person),
    }
    return render(request, "sessions_app/pages/people/user_factors.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def factors_reset(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a confirmation (GET), or remove all second factors of a person (POST)."""
    person = USERS.find(request, pk)
    form = forms.Form(request.POST if request.method == "POST" else None)
    here = reverse("user_factors", args=[person.pk])
    if form.is_valid():
        try:
            done = reset_factors(viewer(request), person)
        except Refused as refusal:
            return outcome(request, [("error", refusal.message)], here, leaves_page=True)
        lines = [
            ("success", f"Reset the second factors of {person}: {done.factors} removed, {done.logins} logged out.")
        ]
        if not done.is_mailed:
            lines.append(("warning", f"{person} has no e-mail address and was not told."))
        return outcome(request, lines, here, leaves_page=True)
    context = {"person": person, "form": form, "heading": "Reset second factors", "page_url": here}
    return confirmation(request, "sessions_app/pages/people/factors_reset.html", context)
