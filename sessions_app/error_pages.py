"""Error pages, which say what happened, what was not changed and what to do.

They use no database, no session and no user, and only two headers and two cookies of the request. So they also work
when one of those is what failed. A browser that sends the cookie of a login gets the links that every logged-in person
has; only the database could say whether that login is still valid. The web server draws its refusals in the same way.
"""

from __future__ import annotations

import sys

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from activity.outage import Outage
from activity.typed import Unreadable

THEMES = ("light", "dark")
# The paragraph of the help for a status: the document and the anchor in it.
HELP = {
    403: ("readme", "roles", "Who may do what"),
    429: ("reference", "limits", "The limits of one person"),
}
HELP_ON_OTHERS = ("how-to/troubleshooting", "troubleshooting", "When something does not work")
PASSING = frozenset({429, 500, 503})  # the same request may be answered a little later


def error_page(request: HttpRequest, status: int, heading: str, text: str) -> HttpResponse:
    """Return a page with `status`, or only its middle part if HTMX asks for a part of a page."""
    content = draw(
        status,
        heading,
        text,
        is_part=request.headers.get("HX-Request") == "true" and "HX-Boosted" not in request.headers,
        is_read=request.method in ("GET", "HEAD"),
        has_login=settings.SESSION_COOKIE_NAME in request.COOKIES,
        theme=request.COOKIES.get("theme", ""),
    )
    response = HttpResponse(content, status=status)
    # The request may be refused before the middleware that sets these.
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Vary", "HX-Request")
    return response


def draw(status: int, heading: str, text: str, *, is_part: bool, is_read: bool, has_login: bool, theme: str) -> str:
    """Return the HTML of an error. `is_read` says that asking again by the same address changes nothing."""
    can_try_again = status in PASSING and is_read and not is_part
    context = {
        "status": status,
        "heading": heading,
        "text": text,
        "can_try_again": can_try_again,
        "is_only_way": not (can_try_again or is_part),
        "has_login": has_login,
        "help": HELP.get(status, HELP_ON_OTHERS),
        "theme": theme if theme in THEMES else "",
        "density": "",
    }
    return render_to_string("error_part.html" if is_part else "error.html", context)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 400 page; 503 if the user's session could not be saved because of an outage."""
    outage = Outage.of(exception)
    if outage is not None:
        return unavailable(request, outage)
    if isinstance(exception, DisallowedHost):
        text = "Nothing was changed. Use the address that your administrator gave you."
        return error_page(request, 400, "The console is not known by this address", text)
    why = f"{exception} " if isinstance(exception, Unreadable) else ""
    text = f"{why}Nothing was changed. Go back and try again from the page."
    return error_page(request, 400, "This request was not understood", text)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 403 page."""
    text = str(exception) or "Your role does not allow this."
    return error_page(request, 403, "You may not do this", f"{text} Nothing was changed.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a 404 page."""
    text = "The page does not exist, or it is not yours to see. Nothing was changed."
    return error_page(request, 404, "There is nothing here", text)


def storage_failed(request: HttpRequest) -> HttpResponse:
    """Return a 503 page for a recording that its storage does not give."""
    return error_page(
        request,
        503,
        "The recording cannot be read at the moment",
        "The storage of recordings does not give the file. Nothing was changed. Try again in a minute. If it "
        "lasts, tell an administrator, who finds the reason in the log of the web server.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return a 500 page; 503 if the database or the disk of the console cannot be used at the moment.

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
    """Return a 503 page whose Retry-After header says after how many seconds to try again.

    `not_done` is a sentence about what was certainly not done.
    """
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
    """Return a 429 page for a person who has reached a limit (activity/limits.py) for `retry_after` seconds."""
    response = error_page(request, 429, "This is more than one person may have", text)
    response["Retry-After"] = str(retry_after)
    response["Cache-Control"] = "no-store"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return a 403 page for a form without a valid token. The page was often open during a login."""
    return error_page(
        request,
        403,
        "This form is out of date",
        "Nothing was changed. Reload the page you came from and send the form again. Cookies must be allowed.",
    )
