"""The front door, and the heartbeat by which an open page notices that it was logged out."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from sessions_app.pages.navigation import navigation


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Straight to the sessions."""
    return redirect("sessions")


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Asked by every open page each few seconds: the approvals count, or a 304 when it is the same.

    A browser that was logged out is sent to the login page (logins/required.py).
    """
    context = navigation(request)
    etag = f'"approvals-{context["approvals_waiting"]}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers={"ETag": etag})
    response = HttpResponse(render_to_string("sessions_app/pages/_approvals_count.html", context))
    response["ETag"] = etag
    return response
