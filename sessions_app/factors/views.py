"""The pages where people set up their second factors."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.factors import check, totp, webauthn
from sessions_app.factors.flows import change, enrol
from sessions_app.factors.forms import AppForm, NameForm, NewKeyForm
from sessions_app.factors.names import KINDS, with_labels
from sessions_app.logins.backend import current_login
from sessions_app.logins.service import live_logins
from sessions_app.outcome import confirmation, outcome
from sessions_app.sealing import SealingError, seal, unseal

get_or_post = require_http_methods(["GET", "HEAD", "POST"])
PENDING_SECRET = "factors_new_secret"  # noqa: S105 - the key of the session that holds it, sealed
RENAME, REMOVE = "sessions_app/factors/rename.html", "sessions_app/factors/remove.html"
NO_KEY = (
    "Authenticator apps cannot be set up here, because this console has no key to seal their secrets with. Nothing was "
    "changed. Set up a security key or a passkey, or ask whoever runs the console to set ENCRYPTION_KEYS."
)


NO_ANSWER = "No key has answered. Nothing was set up. Keys need JavaScript, and a browser that knows them."


@never_cache
@require_safe
def factors(request: HttpRequest) -> HttpResponse:
    """Show how the person signs in: password, second factors and recovery codes."""
    me = viewer(request)
    rows = with_labels(Authenticator.objects.filter(user_id=me.pk).order_by("created_at", "pk"))
    context = {
        "heading": "Sign-in",
        "rows": rows,
        "factors": check.factors_of(me),
        "why_no_keys": webauthn.why_impossible(request),
        "other_logins": live_logins(me, but=current_login(request)).count(),
    }
    return render(request, "sessions_app/factors/factors.html", context)


@never_cache
@sensitive_post_parameters("code")
@sensitive_variables()
@get_or_post
def add_app(request: HttpRequest) -> HttpResponse:
    """Show a new secret as QR code and text, until the person's authenticator app shows a right code."""
    me = viewer(request)
    if check.factors_of(me).has_app:
        messages.info(request, "You have an authenticator app already.")
        return redirect("factors")
    form = AppForm(request.POST if request.method == "POST" else None, numeric=True, label="Code that the app shows")
    try:
        secret = _pending_secret(request)
        if form.is_valid():
            name, code = form.cleaned_data["name"], form.cleaned_data["code"]
            codes = enrol.add_app(me, secret, code, name=name, login=current_login(request))
            del request.session[PENDING_SECRET]
            return _done(request, f"Your authenticator app “{name}” is set up.", codes)
    except SealingError:
        return render(
            request, "sessions_app/factors/refused.html", {"heading": "Sign-in", "problem": NO_KEY}, status=503
        )
    except Refused as refusal:
        form.add_error(refusal.field or None, refusal.message)
    size, path = totp.qr_path(totp.address_of(me, secret, request.get_host()))
    context = {
        "heading": "Set up an authenticator app",
        "form": form,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "qr_size": size,
        "qr_path": path,
        "page_url": reverse("factors"),
    }
    return render(request, "sessions_app/factors/app_add.html", context, status=422 if form.is_bound else 200)


@sensitive_variables()
def _pending_secret(request: HttpRequest) -> str:
    """Return the secret that the person is setting up, which the session keeps sealed. Raise SealingError."""
    sealed = request.session.get(PENDING_SECRET)
    if sealed is not None:
        return unseal(sealed).decode()
    secret = totp.new_secret()
    request.session[PENDING_SECRET] = seal(secret.encode())
    return secret


@sensitive_variables("codes")
def _done(request: HttpRequest, text: str, codes: list[str]) -> HttpResponse:
    """Show new recovery codes this one time; without any, go back to the list."""
    if not codes:
        messages.success(request, text)
        return redirect("factors")
    context = {"heading": "Recovery codes", "done": text, "codes": codes}
    return render(request, "sessions_app/factors/codes.html", context)


@never_cache
@require_safe
def options(request: HttpRequest) -> HttpResponse:
    """Return what webauthn.js asks the browser for when a person who is logged in confirms with a key."""
    return JsonResponse(webauthn.begin(request, viewer(request)))


@never_cache
@require_safe
def key_options(request: HttpRequest, kind: str) -> HttpResponse:
    """Return what webauthn.js asks the browser for."""
    return JsonResponse(webauthn.begin_registration(request, viewer(request), _known(kind)))


@never_cache
@get_or_post
def add_key(request: HttpRequest, kind: str) -> HttpResponse:
    """Set up a security key or a passkey, with a name."""
    me, label = viewer(request), KINDS[_known(kind)]
    number = check.factors_of(me).keys + 1
    form = NewKeyForm(
        request.POST if request.method == "POST" else None,
        initial={"name": label if number == 1 else f"{label} {number}"},
    )
    problem = ""
    if form.is_valid():
        name, answer = form.cleaned_data["name"], form.cleaned_data["credential"]
        try:
            if not answer:
                raise Refused(NO_ANSWER)
            codes = enrol.add_key(request, me, answer, kind=kind, name=name, login=current_login(request))
        except Refused as refusal:
            problem = refusal.message
        else:
            return _done(request, f"Your {label.lower()} “{name}” is set up.", codes)
    context = {
        "heading": f"Set up a {label.lower()}",
        "form": form,
        "problem": problem,
        "kind": kind,
        "is_passkey": kind == webauthn.PASSKEY,
        "why_not": webauthn.why_impossible(request),
        "page_url": reverse("factors"),
    }
    return render(request, "sessions_app/factors/key_add.html", context, status=422 if form.is_bound else 200)


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise Http404
    return kind


@get_or_post
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Give one of one's own factors another name."""
    me = viewer(request)
    factor = get_object_or_404(Authenticator, pk=pk, user_id=me.pk)
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": factor.data["name"]})
    if form.is_valid():
        change.rename(me, factor, form.cleaned_data["name"])
        return outcome(request, [("success", f"It is called “{form.cleaned_data['name']}” now.")], reverse("factors"))
    context = {"factor": factor, "form": form, "heading": "Rename", "page_url": reverse("factors")}
    return confirmation(request, RENAME, context, status=422 if form.is_bound else 200)


@get_or_post
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a confirmation (GET), or remove one of one's own factors (POST)."""
    me = viewer(request)
    factor = get_object_or_404(Authenticator, pk=pk, user_id=me.pk)
    form = forms.Form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        line = ("success", f"Removed “{factor.data['name']}”.")
        try:
            change.remove(me, factor)
        except Refused as refusal:
            line = ("error", refusal.message)
        return outcome(request, [line], reverse("factors"), leaves_page=True)
    is_last = not Authenticator.objects.filter(user_id=me.pk).exclude(pk=pk).exists()
    context = {"factor": factor, "form": form, "heading": "Remove", "is_last": is_last, "page_url": reverse("factors")}
    return confirmation(request, REMOVE, context)


@never_cache
@get_or_post
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Ask (GET), or replace the recovery codes and show the new ones this one time (POST)."""
    me = viewer(request)
    if not check.factors_of(me).any:
        messages.info(request, "Recovery codes replace a lost second factor. Set up a second factor first.")
        return redirect("factors")
    if request.method == "POST":
        return _done(request, "Your new recovery codes are ready. Earlier ones no longer work.", enrol.new_codes(me))
    context = {"heading": "New recovery codes", "form": forms.Form(), "page_url": reverse("factors")}
    return render(request, "sessions_app/factors/codes_new.html", context)
