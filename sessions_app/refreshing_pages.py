"""Responses of pages that refresh themselves but are no lists, with the fragment and ETag that lists use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.safestring import SafeString, mark_safe

from activity.listing.response import is_fragment

FRAGMENT = "sessions_app/pages/sessions/session_live.html"
TICKING = SafeString("<!-- what the time alone changes -->")  # escaped text cannot contain it


def live_response(
    request: HttpRequest,
    page_template: str,
    body_template: str,
    context: Mapping[str, Any],
    *,
    ticking: str = "",
) -> HttpResponse:
    """Return the whole page; for HTMX only its fragment, or 304 if the browser shows this body already.

    The body must not contain a value that differs in every answer, such as a token. `ticking` stands in the body where
    the template has {{ ticking }}, and the ETag does not count it: the browser itself keeps it up to date.
    """
    body: str = render_to_string(body_template, {**context, "ticking": TICKING}, request)
    etag = hashlib.blake2b(body.encode(), digest_size=12).hexdigest()
    body = body.replace(TICKING, ticking)
    shown = {**context, "etag": etag, "body": mark_safe(body)}  # noqa: S308 - rendered by our template
    response: HttpResponse
    if not is_fragment(request):
        response = render(request, page_template, shown)
    else:
        quoted = f'"{etag}"'
        if request.headers.get("If-None-Match") == quoted:
            response = HttpResponseNotModified()
        else:
            response = render(request, FRAGMENT, shown)
        response["ETag"] = quoted
        response["Cache-Control"] = "no-store"  # our JavaScript keeps the ETag itself
    patch_vary_headers(response, ["HX-Request"])
    return response
