"""The second step of a login."""

from __future__ import annotations

from urllib.parse import urlencode

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import Login
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from activity.addresses import safe_next
from activity.typed import typed
from sessions_app.factors import check, webauthn
from sessions_app.factors.forms import CodeForm
from sessions_app.factors.stage import SecondFactorStage, pending
from sessions_app.logins import authentication, service
from sessions_app.logins.models import SecondFactor

WRONG_CODE = "This code is wrong, or it was used before. You are not logged in. Enter the next code that is shown."
WRONG_KEY = "No security key of yours has answered. You are not logged in. Try again, or use another factor."
WRONG_PASSKEY = (
    "This passkey is not known here, or it did not ask for a PIN or a finger. You are not logged in. "
    "Log in with your password."
)
# As allauth calls the factors in the records of a login, which sign_in.py reads.
TYPES = {SecondFactor.TOTP: "totp", SecondFactor.RECOVERY_CODE: "recovery_codes"}


@login_not_required
@never_cache
@sensitive_post_parameters("code")
@sensitive_variables("form")
@require_http_methods(["GET", "HEAD", "POST"])
def authenticate(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor of the person who has given the right password just now."""
    stage = pending(request)
    if stage is None:
        return _begin_anew(request)
    factors = check.factors_of(stage.login.user)
    is_key = "credential" in request.POST
    form = CodeForm(request.POST if request.method == "POST" and not is_key else None, label=_label(factors))
    answer: HttpResponse | None = None
    waiting, problem = 0, ""
    if is_key:
        answer = _finish_by_key(request, stage, typed(request.POST, "credential", webauthn.LONGEST))
        problem = WRONG_KEY
    elif form.is_valid():
        try:
            answer = _finish(request, stage, form.cleaned_data["code"])
        except authentication.LoginRefused as refusal:
            form.add_error(None, str(refusal))
            waiting = refusal.seconds if isinstance(refusal, authentication.TooManyTries) else 0
        else:
            if answer is None:
                form.add_error(None, WRONG_CODE)
    if answer is not None:
        return answer
    context = {
        "heading": "Second factor",
        "form": form,
        "factors": factors,
        "name": stage.login.user.get_username(),
        "key_problem": problem,
        "why_no_keys": webauthn.why_impossible(request),
    }
    response = render(request, "sessions_app/factors/authenticate.html", context)
    if waiting:
        response.status_code = 429
        response["Retry-After"] = str(waiting)
    return response


@login_not_required
@require_POST
def cancel(request: HttpRequest) -> HttpResponse:
    """Forget the login that was begun, for example that of another person."""
    clear_login(request)
    return redirect("login")


@sensitive_variables("code")
def _finish(request: HttpRequest, stage: SecondFactorStage, code: str) -> HttpResponse | None:
    """Begin the login session if the code is right; return None if it is wrong."""
    user = stage.login.user
    factor = check.verify_code(user, code, address=service.request_ip(request))
    if factor is None:
        return None
    record_authentication(request, user, "mfa", type=TYPES[factor])
    response: HttpResponse = stage.exit()
    if factor is SecondFactor.RECOVERY_CODE:
        left = check.factors_of(user).recovery_codes
        text = f"You used a recovery code; {left or 'none'} {'is' if left == 1 else 'are'} left."
        messages.warning(request, text)
    return response


def _finish_by_key(request: HttpRequest, stage: SecondFactorStage, answer: str) -> HttpResponse | None:
    """Begin the login session if a key of the person answered; return None if not."""
    user = stage.login.user
    if not answer or webauthn.verify(request, user, answer) is None:
        return None
    record_authentication(request, user, "mfa", type="webauthn")
    response: HttpResponse = stage.exit()
    return response


@login_not_required
@never_cache
@require_safe
def options(request: HttpRequest) -> HttpResponse:
    """Return what webauthn.js asks the browser for at the second step."""
    stage = pending(request)
    if stage is None:
        raise PermissionDenied("No login was begun here. Nothing was asked for. Log in again.")
    return JsonResponse(webauthn.begin(request, stage.login.user))


@login_not_required
@never_cache
@require_safe
def passkey_options(request: HttpRequest) -> HttpResponse:
    """Return what webauthn.js asks the browser for when somebody signs in with a passkey."""
    return JsonResponse(webauthn.begin(request))


@login_not_required
@never_cache
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """Log in whoever's passkey answered; it is two factors in one step."""
    wanted = typed(request.POST, "next")
    try:
        user = webauthn.verify_passkey(request, typed(request.POST, "credential", webauthn.LONGEST))
        authentication.refuse_closed(user)
        authentication.refuse_passkey(user)
    except webauthn.WrongAnswer:
        messages.error(request, WRONG_PASSKEY)
    except authentication.LoginRefused as refusal:
        messages.error(request, str(refusal))
    else:
        clear_login(request)  # what this browser gave at an earlier login counts for that one only
        record_authentication(request, user, "mfa", type="webauthn", passwordless=True)
        response: HttpResponse = perform_login(request, Login(user=user, redirect_url=safe_next(request, wanted)))
        return response
    query = f"?{urlencode({'next': wanted})}" if wanted else ""
    return redirect(f"{reverse('login')}{query}")


def _begin_anew(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    messages.error(
        request,
        "Your login was not finished: it took too long, or the account was changed meanwhile. Log in again.",
    )
    return redirect("login")


def _label(factors: check.Factors) -> str:
    return "Code of your authenticator app, or a recovery code" if factors.has_app else "Recovery code"
