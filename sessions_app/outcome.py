"""How a view says what it did: to HTMX by events on the open page, otherwise by messages and a redirect."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from activity.outage import Outage

MOST_IN_HEADER = 8  # lines for HTMX; proxies refuse answers whose headers are long (nginx: 4 KB)
LONGEST_IN_HEADER = 240  # characters of a line

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
        shown = [(level, _short(text)) for level, text in _first(lines)]
        # json.dumps escapes everything beyond ASCII, which a header could not carry.
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps({"done": {"messages": shown}})})
    for level, text in lines:
        messages.add_message(request, LEVELS[level], text)
    return redirect(safe_next(request, next_url))


def said(outage: Outage) -> str:
    """Return why something was not done, and what to do, as one line of an outcome."""
    return f"{outage.heading}. {outage.remedy}"


def _first(lines: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """What fits a header: problems before successes, and how many more there are."""
    if len(lines) <= MOST_IN_HEADER:
        return lines
    ordered = sorted(lines, key=lambda line: line[0] == "success")
    more = ordered[MOST_IN_HEADER - 1 :]
    level = "success" if all(line[0] == "success" for line in more) else "warning"
    return [*ordered[: MOST_IN_HEADER - 1], (level, f"And {len(more)} more like these.")]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_IN_HEADER else f"{text[: LONGEST_IN_HEADER - 1]}…"


def safe_next(request: HttpRequest, next_url: str, default: str = "home") -> str:
    """`next_url` when it is a path on this host, else `default` (a URL name or path)."""
    ours = next_url.startswith("/") and url_has_allowed_host_and_scheme(
        next_url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return next_url if ours else default
