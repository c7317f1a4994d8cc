"""The request by which an open page notices that it was logged out."""

import hashlib

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.views.decorators.http import require_safe

from sessions_app.pages.navigation import navigation, news


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Return what is new in the navigation, or 304 if nothing is.

    Every open page asks this every few seconds. A browser that was logged out is redirected to the login page
    (logins/required.py).
    """
    body = news(navigation(request)).encode()
    etag = f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers={"ETag": etag})
    return HttpResponse(body, headers={"ETag": etag})
