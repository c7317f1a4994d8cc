"""Stands where a view is being written; gone before the first release."""

from django.http import HttpRequest, HttpResponse


def soon(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """Say that the page does not exist yet."""
    return HttpResponse("This page is being built.", status=501)
