"""Answers for a list: a full page, an HTMX fragment, a 304 when nothing changed, a download, or a clear 400."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.safestring import mark_safe

from activity.listing.columns import Table
from activity.listing.download import Download
from activity.listing.errors import BadListRequest
from activity.listing.formats import asked_format
from activity.listing.links import asks_for_download
from activity.listing.listing import Listing
from activity.listing.read_routing import read
from activity.listing.source import list_source
from activity.saved_views.seen import EVERYTHING, default_of, opened_view
from activity.viewer import viewer


def list_response(
    request: HttpRequest,
    table: Table,
    queryset: QuerySet[Any],
    page_template: str,
    *,
    filterset: type[django_filters.FilterSet] | None = None,
    extra: tuple[str, ...] = (),
    context: Mapping[str, Any] | None = None,
    csv_name: str = "",
    counted: QuerySet[Any] | None = None,
) -> HttpResponseBase:
    """Return the list in the form that the request asks for.

    `page_template` gets `listing`, `body` (safe HTML) and `etag` in addition to `context`. `csv_name` names the file of
    a download; without it the file has the table's name. The queryset must already hold only what the person may see;
    read_routing.py chooses the database. `counted` selects the same rows in a way that the database counts faster.
    An address without a query leads to the person's default view of the list, where they have one.
    """
    if not request.GET and not is_fragment(request) and (view := default_of(request)) is not None:
        return redirect(view.address)
    answer = read(
        request,
        queryset,
        lambda rows: _answer(
            request, table, rows, page_template, filterset, extra, context or {}, csv_name or table.name, counted
        ),
    )
    if isinstance(answer, Download):
        answer.log_beginning()  # outside of read(), which may run twice and reads from a copy of the database
    return answer


def _answer(
    request: HttpRequest,
    table: Table,
    queryset: QuerySet[Any],
    page_template: str,
    filterset: type[django_filters.FilterSet] | None,
    extra: tuple[str, ...],
    context: Mapping[str, Any],
    csv_name: str,
    counted: QuerySet[Any] | None,
) -> HttpResponseBase:
    try:
        listing = Listing(request, table, queryset, filterset=filterset, extra=extra, counted=counted)
        if asks_for_download(listing.parameters):
            kind, is_zip = asked_format(listing.parameters), "zip" in listing.parameters
            return Download(viewer(request), list_source(listing, csv_name), kind, is_zip=is_zip)
        body = render_to_string("activity/listing/body.html", {"listing": listing})
    except BadListRequest as problem:
        return bad_list_response(request, str(problem))
    etag = hashlib.blake2b(body.encode(), digest_size=12).hexdigest()
    shown = {**context, "listing": listing, "etag": etag, "body": mark_safe(body)}  # noqa: S308 - our template
    if is_fragment(request):
        return _fragment(request, shown, etag)
    response = render(request, page_template, shown)
    patch_vary_headers(response, ["HX-Request"])
    return response


def is_fragment(request: HttpRequest) -> bool:
    """Return whether HTMX requests a part of the page. A boosted link or a restored history needs the whole page."""
    htmx = request.htmx  # type: ignore[attr-defined]  # set by the middleware of django-htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def is_refresh(request: HttpRequest) -> bool:
    """Return whether an open page asks by itself what is new (static/console.js).

    Only then the browser sends the ETag of what it shows.
    """
    return "HX-Request" in request.headers and "If-None-Match" in request.headers


def bad_list_response(request: HttpRequest, message: str) -> HttpResponse:
    """Return a 400 that says what was wrong with the address, as page or as fragment.

    Where a saved view led here, such as one that filters by a group that was deleted, the answer names it.
    """
    template = "activity/listing/problem_results.html" if is_fragment(request) else "activity/listing/problem.html"
    view = opened_view(request)
    whole_list = f"{request.path}?view={EVERYTHING}" if view is not None else request.path
    response = render(request, template, {"message": message, "whole_list": whole_list, "view": view}, status=400)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _fragment(request: HttpRequest, shown: Mapping[str, Any], etag: str) -> HttpResponse:
    quoted = f'"{etag}"'
    response: HttpResponse
    if request.headers.get("If-None-Match") == quoted:
        response = HttpResponseNotModified()
    else:
        response = render(request, "activity/listing/results.html", shown)
    response["ETag"] = quoted
    response["Cache-Control"] = "no-store"  # our JavaScript keeps the ETag itself
    patch_vary_headers(response, ["HX-Request"])
    return response
