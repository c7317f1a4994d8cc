"""The start page, and the request by which an open page notices that it was logged out."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from sessions_app.pages.navigation import navigation


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Redirect to the sessions."""
    return redirect("sessions")


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Return the number of approvals that wait, or 304 if it has not changed.

    Every open page asks this every few seconds. A browser that was logged out is redirected to the login page
    (logins/required.py).
    """
    context = navigation(request)
    etag = f'"approvals-{context["approvals_waiting"]}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers={"ETag": etag})
    response = HttpResponse(render_to_string("sessions_app/pages/_approvals_count.html", context))
    response["ETag"] = etag
    return response
