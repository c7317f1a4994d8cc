"""What the views of single sign-on share: the provider of an address, and the pages for failures and the way out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from sessions_app.sso.errors import SignOnFailed
from sessions_app.sso.providers import Provider, providers

logger = logging.getLogger(__name__)
View = Callable[..., HttpResponse]
Kind = TypeVar("Kind", bound=Provider)


def tells_failures_of(kind: type[Provider]) -> Callable[[View], View]:
    """Return a decorator for views of one kind of provider, which get the provider instead of its slug.

    It shows SignOnFailed as a page that says what happened and what to do, and writes the reason into the output.
    """

    def decorator(view: View) -> View:
        @wraps(view)
        def told(request: HttpRequest, slug: str) -> HttpResponse:
            provider = provider_or_404(slug, kind)
            try:
                response = view(request, provider)
            except SignOnFailed as failure:
                logger.warning("%s: %s. %s", provider.slug, failure.heading, failure.detail)
                response = failed(request, failure)
            response["Cache-Control"] = "no-store"
            return response

        return told

    return decorator


def provider_or_404(slug: str, kind: type[Kind]) -> Kind:
    provider = providers().get(slug)
    if not isinstance(provider, kind):
        raise Http404
    return provider


def failed(request: HttpRequest, failure: SignOnFailed) -> HttpResponse:
    context = {"heading": failure.heading, "message": failure.message}
    return render(request, "sessions_app/sso/failed.html", context, status=failure.status)


def going_to(request: HttpRequest, provider: Provider, address: str) -> HttpResponse:
    """Return a page that leads to the provider at once.

    It is no redirect, because the content security policy lets no form of the console end on another host.
    """
    context = {"heading": f"On to {provider.name}", "provider": provider, "address": address}
    return render(request, "sessions_app/sso/going.html", context)
