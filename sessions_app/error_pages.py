"""Error pages: what happened, what was not changed, what to do.

They are drawn without a database, a session and a person, and read two headers and a cookie of the request: what broke
a page must not break what says so.
"""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from activity.outage import Outage
from activity.typed import Unreadable

THEMES = ("light", "dark")


def error_page(request: HttpRequest, status: int, heading: str, text: str) -> HttpResponse:
    """Answer with `status` and a page, or with its middle when HTMX asks for a part of one."""
    is_part = request.headers.get("HX-Request") == "true" and "HX-Boosted" not in request.headers
    theme = request.COOKIES.get("theme", "")
    context = {"heading": heading, "text": text, "theme": theme if theme in THEMES else ""}
    response = HttpResponse(render_to_string("error_part.html" if is_part else "error.html", context), status=status)
    # Whatever refused the request may stand before the middleware that sets these.
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Vary", "HX-Request")
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 503 when the person's session could not be saved because of an outage."""
    outage = Outage.of(exception)
    if outage is not None:
        return unavailable(request, outage)
    why = f"{exception} " if isinstance(exception, Unreadable) else ""
    text = f"{why}Nothing was changed. Go back and try again from the page."
    return error_page(request, 400, "This request was not understood", text)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403"""
    text = str(exception) or "Your role does not allow this."
    return error_page(request, 403, "You may not do this", f"{text} Nothing was changed.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404"""
    text = "The page does not exist, or it is not yours to see. Nothing was changed. Go back, or follow a link above."
    return error_page(request, 404, "There is nothing here", text)


def storage_failed(request: HttpRequest) -> HttpResponse:
    """A file that is somewhere else, where nobody answers or lets us in."""
    return error_page(
        request,
        503,
        "The recording cannot be read at the moment",
        "The storage of recordings does not give the file. Nothing was changed. Try again in a minute. If it "
        "lasts, tell an administrator, who finds the reason in the log of the web server.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 when the console's database or disk cannot be used at the moment.

    Django calls this while it handles the exception.
    """
    outage = Outage.of(sys.exception())
    if outage is not None:
        return unavailable(request, outage)
    return error_page(
        request,
        500,
        "Something went wrong on our side",
        "What you asked for was not done, or not finished. The error is in the server's log for your administrator. "
        "Look at what there is now, and try again.",
    )


def unavailable(request: HttpRequest, outage: Outage, not_done: str = "") -> HttpResponse:
    """503 with words, and the seconds after which another try may succeed. `not_done`: what is known not to be."""
    if not_done:
        done = not_done
    elif request.method in ("GET", "HEAD"):
        done = "Nothing was changed."
    else:
        done = "What you asked for was not done, or not finished: look at what there is now before you try again."
    response = error_page(request, 503, outage.heading, f"{done} {outage.remedy}")
    response["Retry-After"] = str(outage.retry_after)
    return response


def too_many(request: HttpRequest, text: str, retry_after: int) -> HttpResponse:
    """429: somebody is over a limit of theirs (activity/limits.py), and works again in so many seconds."""
    response = error_page(request, 429, "This is more than one person may have", text)
    response["Retry-After"] = str(retry_after)
    response["Cache-Control"] = "no-store"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was sent without its token, often a page that stood open through a login."""
    return error_page(
        request,
        403,
        "This form is out of date",
        "Nothing was changed. Reload the page you came from and send the form again. Cookies must be allowed.",
    )
