"""The pages where people set up their second factors."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.factors import check, totp
from sessions_app.factors.flows import enrol
from sessions_app.factors.forms import AppForm
from sessions_app.logins.backend import current_login
from sessions_app.sealing import SealingError, seal, unseal

get_or_post = require_http_methods(["GET", "HEAD", "POST"])
PENDING_SECRET = "factors_new_secret"  # noqa: S105 - the key of the session that holds it, sealed
NO_KEY = (
    "Authenticator apps cannot be set up here, because this console has no key to seal their secrets with. Nothing was "
    "changed. Set up a security key or a passkey, or ask whoever runs the console to set ENCRYPTION_KEYS."
)


@never_cache
@require_safe
def factors(request: HttpRequest) -> HttpResponse:
    """Show how the person signs in: password, second factors and recovery codes."""
    me = viewer(request)
    rows = list(Authenticator.objects.filter(user_id=me.pk).order_by("created_at", "pk"))
    context = {"heading": "Sign-in", "rows": rows, "factors": check.factors_of(me)}
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
