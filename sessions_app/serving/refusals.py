"""What the server answers by itself: a page for browsers, a sentence of plain text for everybody else.

A page is drawn once for each text and kept, so that refusing costs next to nothing while somebody floods the server.
Where a page cannot be drawn, browsers get the sentence too.
"""

from __future__ import annotations

import io
import logging
import re
from functools import cache, lru_cache

from csp.utils import build_policy
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

from sessions_app import error_pages
from sessions_app.serving.bodies import Refusal
from sessions_app.serving.wsgi import Answer, Environment, Send, begin

logger = logging.getLogger(__name__)

HEADINGS = {
    408: "This came too slowly",
    413: "This is too large",
    429: "Too much is being sent at once",
    500: "Something went wrong on our side",
    503: "The console cannot answer this now",
}
THEME = re.compile(r"(?:^|;)\s*theme=(" + "|".join(error_pages.THEMES) + r")(?:;|$)")
KEPT = 128  # pages: a dozen texts, each for strangers and people, in light and dark


async def refuse(refusal: Refusal, environ: Environment, send: Send, *, has_login: bool) -> None:
    """Answer with the text of the refusal, and close the connection. `has_login`: the request has a login's cookie."""
    body, headers = _drawn(refusal, environ, has_login=has_login) or (
        f"{refusal}\n".encode(),
        [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")],
    )
    headers += [("Content-Length", str(len(body))), ("Cache-Control", "no-store"), ("Connection", "close")]
    if refusal.retry_after:
        headers.append(("Retry-After", str(refusal.retry_after)))
    await begin(Answer(refusal.status, headers, body), send)
    await send({"type": "http.response.body", "body": body})


def _drawn(refusal: Refusal, environ: Environment, *, has_login: bool) -> tuple[bytes, list[tuple[str, str]]] | None:
    """Return the refusal as a page with its headers, or None if the client wants none or it cannot be drawn."""
    is_part = environ.get("HTTP_HX_REQUEST") == "true"
    if not is_part and "text/html" not in environ.get("HTTP_ACCEPT", ""):
        return None
    theme = THEME.search(environ.get("HTTP_COOKIE", ""))
    is_read = environ["REQUEST_METHOD"] in ("GET", "HEAD")
    try:
        body = page(int(refusal.status), str(refusal), is_part, is_read, has_login, theme[1] if theme else "")
        request = WSGIRequest({**environ, "wsgi.input": io.BytesIO()})
        return body, [("Content-Type", "text/html; charset=utf-8"), *page_headers(request.scheme or "http")]
    except Exception:  # a template raises what it likes, such as for a static file that is missing
        logger.exception("The page of a refusal cannot be drawn, so it was sent as plain text: %s", refusal)
        return None


@lru_cache(maxsize=KEPT)
def page(status: int, text: str, is_part: bool, is_read: bool, has_login: bool, theme: str) -> bytes:
    """Return the page, or the part of one that HTMX asks for. The arguments are those of error_pages.draw()."""
    html = error_pages.draw(
        status, HEADINGS[status], text, is_part=is_part, is_read=is_read, has_login=has_login, theme=theme
    )
    return html.encode()


@cache
def page_headers(scheme: str) -> list[tuple[str, str]]:
    """Return the headers that the middleware gives to each page that came by `scheme`: http or https."""
    request = WSGIRequest({"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": scheme})
    response = HttpResponse()
    for middleware in (SecurityMiddleware, XFrameOptionsMiddleware):
        middleware(lambda _: response).process_response(request, response)
    del response["Content-Type"]
    return [("Content-Security-Policy", build_policy()), *response.items()]
