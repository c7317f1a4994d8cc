"""Shows a secret to the user of a vault's session, and logs its copies. Both are POST requests and never cached.

HTMX gets a fragment that secret.js hides again. Without JavaScript the page leaves by itself (the Refresh header).
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from activity.listing.response import is_fragment
from activity.viewer import viewer
from sessions_app.errors import Forbidden, Refused
from sessions_app.privileged.flows.permission import RELATED
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import Person
from sessions_app.vault.flows.secret import is_vault_of, note_copy, seconds_of_view, secrets_of, view, why_hidden
from sessions_app.vault.models import Secret


@require_POST
@never_cache
@sensitive_variables()
def secret_show(request: HttpRequest, pk: int, secret_pk: int) -> HttpResponse:
    """Show the content for as many seconds as the connection profile says."""
    session, secret = _found(request, pk, secret_pk)
    try:
        shown = view(viewer(request), session, secret)
    except Forbidden as refusal:
        raise PermissionDenied(refusal.message) from None
    except Refused as refusal:
        return _refused(request, session, refusal)
    context = {**_heading(session), "session": session, "secret": secret, "shown": shown}
    if is_fragment(request):
        return render(request, "sessions_app/vault/secret.html", context)
    response = render(request, "sessions_app/vault/secret_page.html", context)
    response["Refresh"] = f"{shown.seconds}; url={session.get_absolute_url()}"
    return response


@require_POST
@never_cache
def secret_copied(request: HttpRequest, pk: int, secret_pk: int) -> HttpResponse:
    """Log that the browser has copied the content."""
    session, secret = _found(request, pk, secret_pk)
    try:
        note_copy(viewer(request), session, secret)
    except Forbidden as refusal:
        raise PermissionDenied(refusal.message) from None
    except Refused as refusal:
        return _refused(request, session, refusal)
    return HttpResponse(status=204)


def secrets_context(person: Person, session: PrivilegedSession) -> dict[str, Any]:
    """Return the template context for the list of secrets, names only; empty for anybody but the session's user."""
    if not is_vault_of(person, session):
        return {}
    hidden = why_hidden(session)
    return {
        "has_secrets": True,
        "secrets_hidden": hidden,
        "secrets": [] if hidden else list(secrets_of(session)),
        "secret_seconds": seconds_of_view(session),
    }


def _found(request: HttpRequest, pk: int, secret_pk: int) -> tuple[PrivilegedSession, Secret]:
    sessions = PrivilegedSession.objects.visible_to(viewer(request)).select_related(*RELATED)
    session = get_object_or_404(sessions, pk=pk)
    return session, get_object_or_404(secrets_of(session), pk=secret_pk)


def _heading(session: PrivilegedSession) -> dict[str, Any]:
    return {"heading": f"Secret of {session}", "number": session.pk}


def _refused(request: HttpRequest, session: PrivilegedSession, refusal: Refused) -> HttpResponse:
    template = "secret_refused.html" if is_fragment(request) else "secret_refused_page.html"
    context = {**_heading(session), "session": session, "text": refusal.message}
    return render(request, f"sessions_app/vault/{template}", context, status=422)
