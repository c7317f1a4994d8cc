"""Views of single sign-on by SAML 2.0: the answer of a provider, its logout, and the metadata of the console.

A provider sends its answer by a form of its own page. Browsers leave the cookie of the session out there (SameSite), so
the answer is checked first and kept for a minute, and a redirect brings the browser back with its cookie.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import logging
import secrets
from typing import Any
from urllib.parse import urlencode

from allauth.socialaccount.internal import statekit
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from activity.models import Outcome
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.logins import service, throttle
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.sso import arrival, confirm, flow, saml, saml_messages
from sessions_app.sso.errors import AnswerEncrypted, AnswerRefused, AnswerTooLate
from sessions_app.sso.pages import tells_failures_of
from sessions_app.sso.providers import SamlProvider
from sessions_app.sso.saml_metadata import identity_provider
from sessions_app.sso.saml_package import toolkit
from sessions_app.sso.tokens import SKEW
from sessions_app.sso.views import finish

logger = logging.getLogger(__name__)
LONGEST_ANSWER = 256 * 1024  # characters
KEPT_SECONDS = 60  # a checked answer, until the browser brings its cookie


@csrf_exempt
@login_not_required
@require_POST
@tells_failures_of(SamlProvider)
@sensitive_variables("encoded")
def sso_saml_acs(request: HttpRequest, provider: SamlProvider) -> HttpResponse:
    """Check the answer of a provider, and send the browser on to where it has its cookie."""
    encoded = typed(request.POST, "SAMLResponse", LONGEST_ANSWER)
    try:
        answer = saml.check_answer(request, provider, identity_provider(provider), encoded)
        if not answer.request_id and not provider.takes_unasked:
            raise AnswerRefused(provider.name, "nobody here asked for it (idp_initiated is off)")
    except AnswerRefused as refused:
        _record_refusal(request, provider, "login", refused)
        raise
    key = secrets.token_urlsafe(32)
    cache.set(_kept_as(provider, key), dataclasses.asdict(answer), KEPT_SECONDS)
    return redirect(f"{reverse('sso_saml_arrival', args=[provider.slug])}?{urlencode({'answer': key})}")


@login_not_required
@require_GET
@tells_failures_of(SamlProvider)
@sensitive_variables("key")
def sso_saml_arrival(request: HttpRequest, provider: SamlProvider) -> HttpResponse:
    """Log somebody in, link their account, or confirm who they are: by a checked answer to this browser's request."""
    key = _kept_as(provider, typed(request.GET, "answer", 200))
    kept = cache.get(key)
    if kept is None or not cache.delete(key):
        raise AnswerTooLate(provider.name)
    answer = saml.Answer(**kept)
    state: dict[str, Any] = {"purpose": flow.LOGIN, "next": reverse("home"), "user": None}
    if answer.request_id:
        found = statekit.unstash_state(request, provider_id=provider.slug, state_id=answer.request_id)
        if found is None:
            raise AnswerTooLate(provider.name)
        state = found
        request.session.set_expiry(None)
    if state["purpose"] != flow.LOGIN and state["user"] != request.user.pk:
        raise AnswerTooLate(provider.name)
    who = arrival.Arrival(
        issuer=provider.issuer,
        subject=answer.subject,
        claims=answer.claims,
        session_id=answer.session_id,
        authenticated_at=answer.authenticated_at,
        has_second_factor=answer.has_second_factor,
    )
    if state["purpose"] != flow.CONFIRM:
        return finish(request, provider, who, state["purpose"], state["next"])
    _require_asked_anew(request, provider, answer, state["asked_at"])
    return confirm.come_back(request, provider, state["parked"], state["next"], who)


def _require_asked_anew(request: HttpRequest, provider: SamlProvider, answer: saml.Answer, asked_at: float) -> None:
    """Raise SignOnFailed, with a log entry, if the provider did not ask the person for a factor since `asked_at`."""
    if answer.authenticated_at is None or answer.authenticated_at < asked_at - SKEW:
        detail = "it did not ask for a factor anew (AuthnInstant)"
        refused = AnswerRefused(provider.name, detail)
        me = viewer(request)
        entry = f"{me.get_username()} was not confirmed by {provider.name}: {detail}"
        raise arrival.refusal(refused.heading, refused.message, entry, user=me)


@login_not_required
@require_GET
@tells_failures_of(SamlProvider)
def sso_saml_metadata(request: HttpRequest, provider: SamlProvider) -> HttpResponse:
    """Return the metadata of the console, which the provider needs."""
    metadata = saml.saml_settings(request, provider, None).get_sp_metadata()
    return HttpResponse(metadata, content_type="application/samlmetadata+xml")


@login_not_required
@require_GET
@tells_failures_of(SamlProvider)
def sso_saml_logout(request: HttpRequest, provider: SamlProvider) -> HttpResponse:
    """End the logins that a signed request of the provider names, and send the browser back there.

    It does not matter whose browser brings the request: its signature says who is logged out. An answer to a logout
    that began here comes to the same address, and changes nothing here any more.
    """
    tools = toolkit(provider)
    try:
        for name in sorted({"SAMLRequest", "SAMLResponse"} & request.GET.keys()):
            saml_messages.require_safe_logout(provider, typed(request.GET, name, LONGEST_ANSWER))
    except AnswerEncrypted as refused:
        _record_refusal(request, provider, "logout", refused)
        raise
    settings = saml.saml_settings(request, provider, identity_provider(provider), for_logout=True)
    auth = tools.OneLogin_Saml2_Auth(saml.request_data(request), settings)
    try:
        back = auth.process_slo(keep_local_session=True)
        if "SAMLResponse" in request.GET:
            return _logged_out_there(request, provider, auth.get_errors())
        if auth.get_errors() or not back:
            detail = auth.get_last_error_reason() or ", ".join(auth.get_errors())
            raise AnswerRefused(provider.name, f"the logout request is not accepted: {detail}")
        xml, reader = auth.get_last_request_xml(), tools.OneLogin_Saml2_Logout_Request
        saml_messages.require_new(provider, xml)
        subject, sessions = reader.get_nameid(xml), reader.get_session_indexes(xml)
    except tools.UNREADABLE as error:
        # Without the cause: its traceback would show the settings, which hold the private key.
        raise AnswerRefused(provider.name, f"no logout request: {type(error).__name__}") from None
    if not saml_messages.use_once(provider, auth.get_last_message_id(), timezone.now() + dt.timedelta(days=1)):
        raise AnswerRefused(provider.name, "the logout request was used before")
    named = LoginSession.objects.live().filter(by_provider__issuer=provider.issuer, by_provider__subject=subject)
    if sessions:
        named = named.filter(by_provider__session_id__in=sessions)
    ended = sum(service.end(login, EndReason.PROVIDER, actor=None) for login in named.select_related("user"))
    logger.info("%s ended %d login sessions", provider.slug, ended)
    return redirect(back)


def _logged_out_there(request: HttpRequest, provider: SamlProvider, errors: list[str]) -> HttpResponse:
    """Tell the person what became of the logout at the provider. Say nothing to somebody who is logged in."""
    if request.user.is_authenticated:
        return redirect("home")
    if errors:
        logger.warning("%s did not confirm a logout: %s", provider.slug, ", ".join(errors))
        messages.warning(request, f"{provider.name} did not confirm your logout there. Here you are logged out.")
    else:
        messages.success(request, f"You are logged out of {provider.name} too.")
    return redirect("login")


def _record_refusal(request: HttpRequest, provider: SamlProvider, what: str, refused: AnswerRefused) -> None:
    """Write into the log why a message was refused, unless this address has sent many such messages."""
    if not throttle.is_flooding("saml-refused", service.request_ip(request)):
        arrival.record_refusal(f"A {what} by {provider.name} was refused: {refused.detail}", outcome=Outcome.FAILURE)


def _kept_as(provider: SamlProvider, key: str) -> str:
    return f"sso:saml-answer:{provider.slug}:{hashlib.sha256(key.encode()).hexdigest()}"
