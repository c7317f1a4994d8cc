"""The database function with which the websocket server logs a browser in by its ticket; store.call() runs it."""

from __future__ import annotations

from django.views.decorators.debug import sensitive_variables

from activity import log
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.flows.ticket import redeem
from sessions_app.gateway.models import EntryPoint, TicketKind
from sessions_app.logins.models import LoginSession


@sensitive_variables("secret")
def open_terminal(secret: str, address: str) -> AuthenticatedClient:
    """Return who comes in with this ticket of a terminal page. Raises Refused."""
    with log.coming_from(address):
        ticket = redeem(secret, TicketKind.TERMINAL, address=address)
    return AuthenticatedClient(
        user_id=ticket.user_id,
        session_id=ticket.session_id,
        entry_point=EntryPoint.BROWSER,
        address=address,
        client=_browser(ticket.login_session),
        login_session_id=ticket.login_session_id,
        is_confirmed=ticket.is_confirmed,
    )


def _browser(login: LoginSession | None) -> str:
    """Return the browser as the login session knows it, for example "Firefox 140 on Windows"."""
    if login is None or login.browser in ("", "Unknown"):
        return ""
    name = f"{login.browser} {login.browser_version}".strip()
    return f"{name} on {login.os}" if login.os not in ("", "Unknown") else name
