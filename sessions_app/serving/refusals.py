"""What the server answers by itself: a page for browsers, a sentence of plain text for everybody else.

A page is drawn once for each text and kept, so that refusing costs next to nothing while somebody floods the server.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from csp.utils import build_policy
from django.conf import settings

from sessions_app import error_pages
from sessions_app.serving.bodies import Refusal
from sessions_app.serving.wsgi import Answer, Environment, Send, begin

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
    is_part = environ.get("HTTP_HX_REQUEST") == "true"
    if is_part or "text/html" in environ.get("HTTP_ACCEPT", ""):
        theme = THEME.search(environ.get("HTTP_COOKIE", ""))
        is_read = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        body = page(int(refusal.status), str(refusal), is_part, is_read, has_login, theme[1] if theme else "")
        headers = [("Content-Type", "text/html; charset=utf-8"), *page_headers()]
    else:
        body = f"{refusal}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8")]
    headers += [
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    ]
    if refusal.retry_after:
        headers.append(("Retry-After", str(refusal.retry_after)))
    await begin(Answer(refusal.status, headers, body), send)
    await send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=KEPT)
def page(status: int, text: str, is_part: bool, is_read: bool, has_login: bool, theme: str) -> bytes:
    """Return the page, or the part of one that HTMX asks for. The arguments are those of error_pages.draw()."""
    html = error_pages.draw(
        status, HEADINGS[status], text, is_part=is_part, is_read=is_read, has_login=has_login, theme=theme
    )
    return html.encode()


@cache
def page_headers() -> list[tuple[str, str]]:
    """Return the headers that Django's middleware gives to each page."""
    return [
        ("Content-Security-Policy", build_policy()),
        ("X-Frame-Options", settings.X_FRAME_OPTIONS),
        ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
        ("Cross-Origin-Opener-Policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY),
    ]
