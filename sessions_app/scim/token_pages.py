"""The pages on which administrators see, make and revoke the tokens of identity providers."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from activity.listing import Card, Column, Table, badge, link, list_response, short_time
from activity.viewer import viewer
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.errors import Refused
from sessions_app.help.hints import help_hint
from sessions_app.outcome import confirmation, outcome
from sessions_app.permission import administrator_refusal, role_of
from sessions_app.roles import is_administrator, sees_everything
from sessions_app.scim.flows.tokens import make_token, revoke_token
from sessions_app.scim.models import ScimToken
from sessions_app.sso.providers import providers

WHAT_GOES_THERE = "With a token an identity provider makes and disables users here, and fills groups."
VALID_DAYS = {"90": "90 days", "365": "One year", "730": "Two years", "": "Until it is revoked"}


class TokenForm(ConfigurationForm):
    """The form of a new token."""

    help = ("sign-in", "scim", "What a token can do")
    valid_for = forms.ChoiceField(
        label="Valid for",
        required=False,
        initial="365",
        choices=tuple(VALID_DAYS.items()),
        help_text="After that the identity provider needs a new one.",
    )

    provider = forms.ChoiceField(
        label="Single sign-on",
        required=False,
        help_text="Choose the provider if the externalId that it sends is the subject (“sub”) of its logins. People "
        "whom it adds can then log in through it at once. Otherwise link their accounts by hand.",
    )

    def add_fields(self) -> None:
        """Offer the providers of single sign-on; without any there is nothing to choose."""
        known = [(slug, provider.name) for slug, provider in providers().items()]
        field = self.fields["provider"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = [("", "Accounts are linked by hand"), *known]
        if not known:
            del self.fields["provider"]

    class Meta:
        model = ScimToken
        fields = ("name",)
        help_texts = {"name": "Which identity provider gets it. The activity log names the token by this."}

    @property
    def expires_at(self) -> dt.datetime | None:
        """Return when the token expires; None for never."""
        days = self.cleaned_data["valid_for"]
        return timezone.now() + dt.timedelta(days=int(days)) if days else None


def _state(row: ScimToken) -> str:
    if row.revoked_at:
        return badge("plain", "Revoked", "x")
    return badge("warning", "Expired", "warning") if row.is_expired else badge("success", "Valid", "check")


def _state_word(row: ScimToken) -> str:
    return "Revoked" if row.revoked_at else "Expired" if row.is_expired else "Valid"


def _revoke(row: ScimToken) -> str:
    return "" if row.revoked_at else link(reverse("scim_token_revoke", args=[row.pk]), "Revoke")


REVOKE = Column("revoke", "Action", "", 90, _revoke, lambda row: "", sort="", reads=("revoked_at",))
TABLE = Table(
    name="scim-tokens",
    columns=(
        Column("token", "Token", "name", 220),
        Column("state", "State", "", 110, _state, _state_word, sort="", reads=("revoked_at", "expires_at")),
        Column("expires_at", "Expires", "expires_at", 170, lambda row: short_time(row.expires_at)),
        Column("last_used_at", "Last used", "last_used_at", 150, lambda row: short_time(row.last_used_at)),
        Column("last_used_ip", "Used from", "last_used_ip", 150),
        Column("created_at", "Made", "created_at", 150, lambda row: short_time(row.created_at)),
        Column("created_by", "By", "created_by__username", 130),
    ),
    default_sort="token",
    noun="SCIM token",
    nouns="SCIM tokens",
    search=("name",),
    empty_text=help_hint(WHAT_GOES_THERE, "sign-in", "scim", "How to set up SCIM"),
    card=Card("token", text="state", note="last_used_at"),
    grows=("token",),
    flexible=("token",),
)


@require_safe
def scim_tokens(request: HttpRequest) -> HttpResponseBase:
    """Show the tokens; administrators are led to the pages that make and revoke them."""
    person = viewer(request)
    if not sees_everything(person):
        raise PermissionDenied("Only administrators and auditors see the tokens of SCIM.")
    table = TABLE
    if is_administrator(person):
        add = ("Make a SCIM token", reverse("scim_token_add"))
        card = Card("token", text="state", note="revoke")  # to revoke a token in a hurry, with a phone too
        table = dataclasses.replace(TABLE, add_link=add, columns=(*TABLE.columns, REVOKE), card=card)
    rows = ScimToken.objects.select_related("created_by")
    context = {"heading": "SCIM tokens"}
    return list_response(request, table, rows, "sessions_app/configuration/list.html", context=context)


@require_http_methods(["GET", "HEAD", "POST"])
def scim_token_add(request: HttpRequest) -> HttpResponse:
    """Show the form for a new token (GET), or make it and show it this once (POST)."""
    _require_administrator(request)
    form = TokenForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            with transaction.atomic():
                token, text = make_token(
                    viewer(request),
                    form.cleaned_data["name"],
                    form.expires_at,
                    form.cleaned_data.get("provider", ""),
                )
        except IntegrityError:  # somebody else took the name at this moment
            form = TokenForm(request.POST)
            if form.is_valid():
                raise
        else:
            context = {"token": token, "text": text, "address": request.build_absolute_uri("/scim/v2/")}
            return _unkept(render(request, "sessions_app/scim/token_made.html", context))
    context = {
        "title": "Make a SCIM token",
        "form": form,
        "fields_template": "sessions_app/configuration/fields.html",
        "back": reverse("scim_tokens"),
        "button": "Make token",
    }
    status = 422 if form.is_bound else 200
    return _unkept(render(request, "sessions_app/configuration/form.html", context, status=status))


@require_http_methods(["GET", "HEAD", "POST"])
def scim_token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to revoke a token (GET), or revoke it (POST)."""
    tokens = ScimToken.objects.all() if sees_everything(viewer(request)) else ScimToken.objects.none()
    token = get_object_or_404(tokens, pk=pk)
    _require_administrator(request)
    back = reverse("scim_tokens")
    if request.method == "POST":
        try:
            revoke_token(viewer(request), token)
        except Refused as refused:
            return outcome(request, [("error", refused.message)], back, leaves_page=True)
        return outcome(request, [("success", f"Revoked the SCIM token “{token}”.")], back, leaves_page=True)
    context: dict[str, Any] = {
        "title": f"Revoke {token}",
        "heading": "Revoke SCIM token",
        "token": token,
        "possible": token.revoked_at is None,
        "action_url": request.path,
        "is_danger": True,
        "back": back,
        "back_label": "Go back",
    }
    return confirmation(request, "sessions_app/scim/revoke.html", context)


def _require_administrator(request: HttpRequest) -> None:
    if refused := administrator_refusal(**role_of(viewer(request))):
        raise PermissionDenied(refused)


def _unkept(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
