"""The pages under /help/, for everybody who is logged in."""

from __future__ import annotations

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from activity.listing.response import is_fragment
from activity.typed import typed
from sessions_app.help.documents import INDEX, documents, images, search

LONGEST_SEARCH = 100  # characters


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show the index of the documents, or with `q` the sections that have these words."""
    words = typed(request.GET, "q", LONGEST_SEARCH)
    return _results(request, words) if words or is_fragment(request) else _document(request, INDEX)


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    return _document(request, name)


@require_safe
def image(request: HttpRequest, name: str) -> FileResponse:
    """Send one picture of the documents."""
    path = images().get(name)
    if path is None:
        raise Http404("There is no such picture in the documents.")
    return FileResponse(path.open("rb"), content_type="image/png")


def _document(request: HttpRequest, name: str) -> HttpResponse:
    found = documents().get(name)
    if found is None:
        raise Http404("There is no such document. The help has a search: /help/")
    decisions = [one for known, one in documents().items() if name == INDEX and known.startswith("decisions/")]
    context = {"document": found, "heading": found.title, "is_index": name == INDEX, "decisions": decisions}
    return render(request, "sessions_app/help/document.html", context)


def _results(request: HttpRequest, words: str) -> HttpResponse:
    context = {"heading": "Help", "words": words, "results": search(words)}
    template = "sessions_app/help/_results.html" if is_fragment(request) else "sessions_app/help/results.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response
