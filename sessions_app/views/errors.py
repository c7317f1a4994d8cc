"""Error pages: what happened, what was not changed, what to do."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def _page(request: HttpRequest, status: int, heading: str, text: str) -> HttpResponse:
    return render(request, "error.html", {"heading": heading, "text": text}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400"""
    return _page(
        request, 400, "This request was not understood", "Nothing was changed. Go back and try again from the page."
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403"""
    text = str(exception) or "Your role does not allow this."
    return _page(request, 403, "You may not do this", f"{text} Nothing was changed.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404"""
    return _page(
        request,
        404,
        "There is nothing here",
        "The page does not exist, or it is not yours to see. Nothing was changed. Use the navigation above.",
    )


def storage_failed(request: HttpRequest) -> HttpResponse:
    """A file that is somewhere else, where nobody answers or lets us in."""
    return _page(
        request,
        503,
        "The recording cannot be read at the moment",
        "The storage of recordings does not give the file. Nothing was changed. Try again in a minute. If it "
        "lasts, tell an administrator, who finds the reason in the log of the web server.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500; the template must need no database."""
    return render(request, "500.html", status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was sent without its token, often a page that stood open through a login."""
    return _page(
        request,
        403,
        "This form is out of date",
        "Nothing was changed. Reload the page you came from and send the form again. Cookies must be allowed.",
    )
