"""Asks a person before a view does something, and reports what it did.

HTMX gets the question as a dialog, and the report by an event on the open page. Without it there are a page with the
same question, and messages and a redirect.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.cache import patch_vary_headers

from activity.addresses import safe_next
from activity.listing.response import is_fragment
from activity.outage import Outage

MOST_IN_HEADER = 8  # lines for HTMX; proxies refuse answers whose headers are long (nginx: 4 KB)
LONGEST_IN_HEADER = 240  # characters of a line

LEVELS = {
    "success": messages.SUCCESS,
    "info": messages.INFO,
    "warning": messages.WARNING,
    "error": messages.ERROR,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Undo:
    """The form that takes back what was done: where it is sent, and the rows that it names (`ids`)."""

    url: str
    ids: tuple[str, ...] = ()

    @classmethod
    def read(cls, tags: str | None) -> Self | None:
        """Return what a message carries in its `extra_tags`; None for those without."""
        url, *ids = (tags or "").split() or [""]
        return cls(url, tuple(ids)) if url else None

    @property
    def tags(self) -> str:
        """Return it as a message carries it in its `extra_tags`."""
        return " ".join((self.url, *self.ids))


def confirmation(request: HttpRequest, fragment: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """Return the template `fragment` as the content of the dialog, or on a page of its own.

    On the page `title` and `heading` of the context say what it is about. `is_dialog` says in the template which of the
    two it is.
    """
    is_dialog = is_fragment(request)
    template = fragment if is_dialog else "sessions_app/confirmation_page.html"
    response = render(request, template, {**context, "fragment": fragment, "is_dialog": is_dialog}, status=status)
    response["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["HX-Request"])
    return response


def outcome(
    request: HttpRequest,
    lines: Sequence[tuple[str, str]],
    next_url: str,
    *,
    leaves_page: bool = False,
    undo: Undo | None = None,
) -> HttpResponse:
    """Answer a change that was tried. Each line is a level (success, info, warning or error) and a sentence.

    HTMX gets a 204 with the event `done` in HX-Trigger, so that the page shows the lines, closes its dialog and
    refreshes. Without HTMX the lines become Django messages, and the browser goes to `next_url` if that is a path of
    this host. HTMX goes there too if `leaves_page`: what the open page is about is no more. `undo` becomes a button
    beside the first success.
    """
    if request.htmx and not leaves_page:  # type: ignore[attr-defined] # set by django-htmx's middleware
        shown: list[tuple[object, ...]] = [(level, _short(text)) for level, text in _first(lines)]
        place = next((place for place, line in enumerate(shown) if line[0] == "success"), None)
        if undo is not None and place is not None:
            shown[place] += (dataclasses.asdict(undo),)
        # json.dumps escapes all characters outside of ASCII, which a header cannot contain.
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps({"done": {"messages": shown}})})
    for level, text in lines:
        tags = undo.tags if undo is not None and level == "success" else ""
        messages.add_message(request, LEVELS[level], text, extra_tags=tags)
        undo = None if tags else undo
    there = safe_next(request, next_url)
    if request.htmx:  # type: ignore[attr-defined] # as above
        return HttpResponse(status=204, headers={"HX-Redirect": resolve_url(there)})
    return redirect(there)


def outage_text(outage: Outage) -> str:
    """Return why something was not done and what to do, as one line of an outcome."""
    return f"{outage.heading}. {outage.remedy}"


def _first(lines: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Return the lines that fit into a header: problems before successes, and a line that counts the others."""
    if len(lines) <= MOST_IN_HEADER:
        return lines
    ordered = sorted(lines, key=lambda line: line[0] == "success")
    more = ordered[MOST_IN_HEADER - 1 :]
    level = "success" if all(line[0] == "success" for line in more) else "warning"
    return [*ordered[: MOST_IN_HEADER - 1], (level, f"And {len(more)} more like these.")]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_IN_HEADER else f"{text[: LONGEST_IN_HEADER - 1]}…"
