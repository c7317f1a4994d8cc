"""How a view says what it did: to HTMX by events on the open page, otherwise by messages and a redirect."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

LEVELS = {
    "success": messages.SUCCESS,
    "info": messages.INFO,
    "warning": messages.WARNING,
    "error": messages.ERROR,
}


def outcome(request: HttpRequest, lines: Sequence[tuple[str, str]], next_url: str) -> HttpResponse:
    """Answer a change that was tried. `lines`: (success, info, warning or error; the sentence).

    HTMX gets a 204 with the event `done` in HX-Trigger (the page shows the lines, closes its dialog and refreshes);
    else the lines become Django messages and the browser goes to `next_url`, when that is a path of ours.
    """
    if request.htmx:  # type: ignore[attr-defined] # set by django-htmx's middleware
        # json.dumps escapes everything beyond ASCII, which a header could not carry.
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps({"done": {"messages": list(lines)}})})
    for level, text in lines:
        messages.add_message(request, LEVELS[level], text)
    return redirect(safe_next(request, next_url))


def safe_next(request: HttpRequest, next_url: str, default: str = "home") -> str:
    """`next_url` when it is a path on this host, else `default` (a URL name or path)."""
    ours = next_url.startswith("/") and url_has_allowed_host_and_scheme(
        next_url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return next_url if ours else default
