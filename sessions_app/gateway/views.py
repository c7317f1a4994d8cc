"""The pages with which the user of a session connects: browser terminal, SSH through the gateway, or the host.

They issue single-use tickets to the terminal's page and one-time passwords to people. They know the gateway by its
tables and settings only.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE
from csp.decorators import csp_update
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from activity.listing import short_time
from activity.listing.response import is_fragment
from activity.viewer import viewer
from sessions_app.errors import Forbidden, Refused
from sessions_app.factors.fresh import require_fresh
from sessions_app.gateway.flows.connect import why_not
from sessions_app.gateway.flows.ticket import NOT_YOURS, IssuedTicket, issue
from sessions_app.gateway.models import GatewayConnection, GatewayHostKey, TicketKind
from sessions_app.gateway.vendor import vendor_url
from sessions_app.logins import backend, service
from sessions_app.privileged.flows.confirm import FactorNeeded, asks_for_factor
from sessions_app.privileged.flows.permission import RELATED
from sessions_app.privileged.flows.start_check import why_right_is_gone
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status
from sessions_app.privileged.tables import refusals_for
from sessions_app.privileged.time_left import time_left
from sessions_app.privileged.toolbar import page_buttons
from sessions_app.refreshing_pages import live_response
from sessions_app.roles import Person

SEPARATOR = "="  # as the gateway reads it (docs/decisions/0008-the-name-of-a-session-in-ssh.md)
PLAIN_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9][A-Za-z0-9._-]*")  # needs no quotes in a shell, and is no number
CONNECTIONS_LENGTH = 10
TERMINAL_PARTS = {
    "xterm": "xterm.mjs",
    "xterm_css": "xterm.css",
    "fit": "xterm-addon-fit.mjs",
    "unicode": "xterm-addon-unicode.mjs",
}


@require_safe
@never_cache
def terminal(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show the terminal on a page of its own. Without JavaScript, or without it, say how else to connect.

    HTMX gets the line above the terminal, which refreshes itself: whether it is recorded, the time left, and Extend.
    Raise FreshFactorNeeded if the connection profile asks for a second factor.
    """
    person, session = viewer(request), _own(request, pk)
    if not is_fragment(request) and not why_not(session) and asks_for_factor(session):
        require_fresh(request, f"connect to {session.resource_name}")
    if session.status in HOLDS_GRANT:
        session.right_gone = why_right_is_gone(session)
    buttons = page_buttons(person, refusals_for(person)(session))
    left = time_left(session)
    context = connect_context(person, session) | {
        "session": session,
        "heading": f"{session.login_account} on {session.resource_name}",
        "refused": why_not(session),
        "is_over": session.is_ended or session.status == Status.CANCELING,
        "time_left": left,
        "extend": next((button for button in buttons if button.verb == "extend" and not button.refused), None),
        "socket_url": _socket_url(request),
        **_terminal_parts(),
    }
    folder = "sessions_app/gateway"
    ticking = left.ticking() if left else ""
    response = live_response(
        request, f"{folder}/terminal.html", f"{folder}/terminal_head.html", context, ticking=ticking
    )
    return _with_policy(request, response)


def _terminal_parts() -> dict[str, str]:
    """Return the addresses of the terminal's files; nothing unless all of them are installed."""
    parts = {name: vendor_url(file) for name, file in TERMINAL_PARTS.items()}
    return parts if all(parts.values()) else {}


@require_POST
@never_cache
@sensitive_variables()
def session_ticket(request: HttpRequest, pk: int) -> JsonResponse:
    """Answer the terminal's page with {ticket}, or with status 422 and the problem."""
    try:
        issued = _issue(request, _own(request, pk), TicketKind.TERMINAL)
    except FactorNeeded as needed:  # what is on the screen stays there until the person reloads the page
        return JsonResponse({"problem": f"{needed.message} For that, reload the page."}, status=422)
    except Refused as refusal:
        return JsonResponse({"problem": refusal.message}, status=422)
    return JsonResponse({"ticket": issued.secret})


@require_POST
@never_cache
@sensitive_variables()
def session_password(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a one-time password once: as a fragment for HTMX, as a page without JavaScript."""
    session = _own(request, pk)
    context = connect_context(viewer(request), session) | {
        "session": session,
        "heading": f"One-time password for {session}",
        "number": session.pk,
        "fragment": "sessions_app/gateway/session_password.html",
    }
    status = 200
    try:
        context["issued"] = _issue(request, session, TicketKind.PASSWORD)
    except Refused as refusal:
        context["problem"], status = refusal.message, 422
    template = context["fragment"] if is_fragment(request) else "sessions_app/gateway/session_password_page.html"
    return render(request, template, context, status=status)


def may_connect(person: Person, session: PrivilegedSession) -> bool:
    """Return whether this person can connect through the gateway now. Reads `session.resource`."""
    return session.user_id == person.pk and not why_not(session)


def connect_context(person: Person, session: PrivilegedSession) -> dict[str, Any]:
    """Return, for the session's page, the lines to type if this person may connect; else nothing."""
    if session.user_id != person.pk or not session.resource.capabilities.can_certify:
        return {}
    if not may_connect(person, session):
        return {"may_connect_later": not session.is_ended}
    name = f"{session.user_name}{SEPARATOR}{_name_of(session)}"
    host, port = _ssh_address()
    return {
        "offers_connect": True,
        "may_connect_later": True,
        "ssh_lines": [
            ("ssh", f"ssh{f' -p {port}' if port != 22 else ''} {name}@{host}"),
            ("scp", f"scp{f' -P {port}' if port != 22 else ''} file.txt {name}@{host}:"),
            ("sftp", f"sftp{f' -P {port}' if port != 22 else ''} {name}@{host}"),
        ],
        "gateway_keys": [
            {"fingerprint": key.fingerprint, "line": f"{_known_as(host, port)} {key.public_key}"}
            for key in GatewayHostKey.objects.order_by("kind")
        ],
    }


def connections_context(session: PrivilegedSession) -> dict[str, Any]:
    """Return, for the session's page, current and recent connections through the gateway."""
    rows = session.connections.select_related("key").order_by("-pk")[:CONNECTIONS_LENGTH]
    return {"connections": [_connection_row(row) for row in rows]}


def _connection_row(row: GatewayConnection) -> dict[str, str]:
    key = f"{row.key.title} {row.fingerprint}" if row.key else row.fingerprint
    return {
        "entry_point": row.get_entry_point_display(),
        "address": row.address or "an unknown address",
        "client": row.client,
        "key": key,
        "since": short_time(row.started_at),
        "until": short_time(row.ended_at) if row.ended_at else "",
        "end": row.get_end_reason_display() if row.ended_at else "",
    }


def _own(request: HttpRequest, pk: int) -> PrivilegedSession:
    """Return the person's own session. Raises PermissionDenied for others who see it."""
    person = viewer(request)
    session = get_object_or_404(PrivilegedSession.objects.visible_to(person).select_related(*RELATED), pk=pk)
    if session.user_id != person.pk:
        raise PermissionDenied(NOT_YOURS)
    return session


def _issue(request: HttpRequest, session: PrivilegedSession, kind: TicketKind) -> IssuedTicket:
    try:
        return issue(
            viewer(request),
            session,
            kind,
            login=backend.current_login(request),
            address=service.request_ip(request),
        )
    except Forbidden as refusal:
        raise PermissionDenied(refusal.message) from None


def _name_of(session: PrivilegedSession) -> str:
    """Return the host's name where that says which session is meant, else the session's number."""
    if not PLAIN_NAME.fullmatch(session.resource_name):
        return str(session.pk)
    there = PrivilegedSession.objects.filter(
        user_id=session.user_id,
        resource_name__folded_exact=session.resource_name,
        status__in=[Status.AVAILABLE, Status.LOGGED_IN],
    )
    return str(session.pk) if there.count() > 1 else session.resource_name


def _ssh_address() -> tuple[str, int]:
    """Return host and port that people type: as set, else the console's host and the gateway's own port."""
    chosen = urlsplit(f"//{settings.GATEWAY_SSH_ADDRESS}") if settings.GATEWAY_SSH_ADDRESS else None
    host = (chosen.hostname if chosen else None) or urlsplit(settings.SITE_URL).hostname or "localhost"
    return host, (chosen.port if chosen else None) or settings.GATEWAY_PORT


def _known_as(host: str, port: int) -> str:
    """Return the host as known_hosts has it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return host if port == 22 else f"[{host}]:{port}"


def _socket_url(request: HttpRequest) -> str:
    """Return the address of the gateway's websocket: as set, else /terminal/ of the console itself."""
    scheme = "wss" if request.is_secure() else "ws"
    return settings.GATEWAY_TERMINAL_URL or f"{scheme}://{request.get_host()}/terminal/"


def _with_policy(request: HttpRequest, response: HttpResponse) -> HttpResponseBase:
    """Allow this page only to reach the gateway, and the terminal to add its style sheets (by nonce)."""
    parts = urlsplit(_socket_url(request))
    more = {"connect-src": [f"{parts.scheme}://{parts.netloc}"], "style-src": [NONCE]}
    return csp_update(more)(lambda _: response)(request)
