"""Pages of the activity log. This package imports nothing of sessions_app."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_POST, require_safe

from activity import names, summary
from activity.chart import draw
from activity.filters import LogFilter, options, reads_whole_log, suggest_users
from activity.listing import BadListRequest, Listing, list_response, span_of_time
from activity.listing.file_names import part_of_name
from activity.listing.filterset import NOT
from activity.listing.links import DOWNLOAD_PARAMETERS
from activity.listing.read_routing import read
from activity.listing.response import bad_list_response, is_fragment
from activity.models import DownloadPreference, ListPreference, LogEntry, LogEntryQuerySet
from activity.period import PeriodProblem, Span, read_span
from activity.tables import log_table
from activity.typed import LONGEST_IN_ADDRESS, LONGEST_TEXT, typed
from activity.viewer import viewer

NARROWEST, WIDEST = 60, 1600  # pixels
MOST_COLUMNS = 60
DENSITIES = ("comfortable", "compact")
A_YEAR = 31_536_000  # seconds that the browser keeps the choice
COLUMN_KEY = re.compile("[a-z0-9_-]{1,40}")  # PostgreSQL's JSON accepts neither NUL nor lone surrogates
MOST_TABLES = 50
PERIOD = ("period", "since", "until")  # links keep these, because the list is always about a period
TOPS = ("5", "10")  # how many users the summary names
SUMMARY_PARTS = ("activity/_log_summary.html", "activity/log_summary.html")  # the fragment, and the page around it
CHART_PARTS = ("activity/_log_chart.html", "activity/log_chart.html")
FIGURES = ("Sessions", "Total", "Average", "Minimum", "Maximum")


@require_safe
def activity_log(request: HttpRequest) -> HttpResponseBase:
    """Show the activity log with filters, summary and rows, or send the download.

    Administrators and auditors see all entries, others their own.
    """
    span = _span(request)
    table = log_table(span.words, f"Nothing was logged {span.words}. Choose a longer time period.")
    context = {
        "heading": "Activity log",
        "summary_url": _summary_url(request),
        "users": lambda: options(suggest_users("")),  # asked for by the full page only
    }
    return list_response(
        request,
        table,
        names.logged(LogEntry.objects.visible_to(request.user)),
        "activity/log.html",
        filterset=LogFilter,
        extra=PERIOD,
        context=context,
        csv_name=_file_name(request, span),
    )


@require_safe
def activity_summary(request: HttpRequest) -> HttpResponse:
    """Show figures of the period: sessions, their durations, and the first users.

    The page requests the chart separately, because to count the entries of a year takes longer than all the rest.
    """
    entries = LogEntry.objects.visible_to(request.user)
    return read(request, entries, lambda found: _figures(request, found, SUMMARY_PARTS, _summary))


@require_safe
def activity_chart(request: HttpRequest) -> HttpResponse:
    """Render the chart of the entries in the period."""
    entries = LogEntry.objects.visible_to(request.user)
    return read(request, entries, lambda found: _figures(request, found, CHART_PARTS, _chart))


def _figures(
    request: HttpRequest,
    entries: QuerySet[LogEntry],
    parts: tuple[str, str],
    context: Callable[[HttpRequest, Listing, str], dict[str, object]],
) -> HttpResponse:
    """Return a fragment or a page about the filtered entries. Return a 400 if the filters cannot be read."""
    fragment, page = parts
    try:
        listing = Listing(request, log_table(), entries, filterset=LogFilter, extra=("top", *PERIOD))
        top = listing.parameters.get("top", TOPS[0])
        if top not in TOPS:
            raise BadListRequest(f"The summary names the first 5 or 10 users, not “{top[:40]}”.")
    except BadListRequest as problem:
        if not is_fragment(request):
            return bad_list_response(request, str(problem))
        return render(request, "activity/_log_summary_problem.html", {"message": str(problem)}, status=400)
    log_url = f"{reverse('activity_log')}?{urlencode(_without(request, 'top'))}"
    shown = {**context(request, listing, top), "log_url": log_url}
    response = render(request, fragment if is_fragment(request) else page, shown)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _summary(request: HttpRequest, listing: Listing, top: str) -> dict[str, object]:
    """Return what the summary shows. A name that only failed logins have has no sessions."""
    filters = cast(LogFilter, listing.filters)
    form, now, sessions = filters.form, timezone.now(), summary.SessionSummary()
    asked, without = filters.chosen_people
    if asked != ():
        question = summary.SessionQuestion(request.user, asked, form.span, now, int(top), listing.queryset.db, without)
        sessions = summary.sessions(question)
    return {
        "heading": "Summary of the activity log",
        "words": form.span.words,
        "people": ("all but " if without else "") + " and ".join(account.now for account in form.accounts),
        "is_own": not reads_whole_log(request.user),
        "figures": list(zip(FIGURES, _texts(sessions.overall), strict=True)),
        "figure_names": FIGURES,
        "top_users": [(name, _texts(figures)) for name, figures in sessions.top],
        "top": top,
        "tops": [(choice, listing.url(top=choice)) for choice in TOPS],
        "chart_url": f"{reverse('activity_chart')}?{urlencode(_without(request, 'sort', 'top'))}",
    }


def _chart(request: HttpRequest, listing: Listing, top: str) -> dict[str, object]:
    """Return what the chart shows, as bars and as a table."""
    span = cast(LogFilter, listing.filters).form.span
    entries = cast(LogEntryQuerySet, listing.queryset)
    is_everything = listing.words is None and not entries.alternatives and not listing.chips
    buckets = summary.buckets(entries, span, timezone.now(), is_everything=is_everything)
    return {
        "heading": "Entries over time",
        "words": span.words,
        "buckets": buckets,
        "chart": draw(buckets),
        "total": f"{sum(bucket.total for bucket in buckets):,}",
    }


def _texts(figures: summary.Figures) -> list[str]:
    durations = (figures.total, figures.average, figures.minimum, figures.maximum)
    return [f"{figures.count:,}", *map(span_of_time, durations)]


@require_safe
def activity_users(request: HttpRequest) -> HttpResponse:
    """Return names for the type-ahead of the User field, as options. `q` or `user` holds the text."""
    if not reads_whole_log(request.user):
        raise PermissionDenied("Only auditors and administrators may look up users in the activity log.")
    return HttpResponse(options(suggest_users(typed(request.GET, "q") or typed(request.GET, "user"))))


def _span(request: HttpRequest) -> Span:
    """Return the period that the address asks for.

    Return the default period if that cannot be read: the list itself then says what is wrong with the address.
    """
    try:
        return read_span(request.GET, timezone.now())
    except PeriodProblem:
        return read_span({}, timezone.now())


def _without(request: HttpRequest, *names: str) -> dict[str, str]:
    leave = {"after", "before", "last", *DOWNLOAD_PARAMETERS, *names}
    return {name: value for name, value in request.GET.dict().items() if value and name not in leave}


def _summary_url(request: HttpRequest) -> str:
    return f"{reverse('activity_summary')}?{urlencode(_without(request, 'sort'))}"


def _file_name(request: HttpRequest, span: Span) -> str:
    """Return a name that says what is in the download: the period and the filters."""
    parts = ["activity-log", span.slug]
    for name in ("user", "activity", "verb", "level", "outcome"):
        if value := part_of_name(request.GET.get(name, "")[:LONGEST_TEXT]):
            word = "keyword" if name == "activity" else name
            parts += [word, "not", value] if request.GET.get(f"{name}_is") == NOT else [word, value]
    return "-".join(parts)


@require_POST
def save_columns(request: HttpRequest, table: str) -> HttpResponse:
    """Remember, for this person, which columns a list shows and in which order (form, or `order`).

    `widths` (JSON) says how wide they are.
    """
    person = viewer(request)
    mine = ListPreference.objects.filter(user_id=person.pk)
    preference = mine.filter(table=table).first()
    if preference is None:
        if mine.count() >= MOST_TABLES:
            return HttpResponseBadRequest("There are too many remembered lists. Nothing was saved.")
        preference, _ = ListPreference.objects.get_or_create(user_id=person.pk, table=table[:40])
    if "widths" in request.POST:
        widths = _read_widths(typed(request.POST, "widths", LONGEST_IN_ADDRESS))
        if widths is None:
            return HttpResponseBadRequest("The column widths were not understood. Nothing was saved.")
        preference.widths = dict(list({**preference.widths, **widths}.items())[:MOST_COLUMNS])
        preference.save(update_fields=["widths"])
        return HttpResponse(status=204)
    if "order" in request.POST:
        preference.order = _keys(typed(request.POST, "order", LONGEST_IN_ADDRESS))
        preference.save(update_fields=["order"])
        return HttpResponse(status=204)
    if "reset" in request.POST:
        preference.delete()
    else:
        shown, columns = set(request.POST.getlist("shown")), _keys(" ".join(request.POST.getlist("all")))
        preference.hidden = [key for key in columns if key not in shown]
        if "move" in request.POST:
            preference.order = _moved(columns, typed(request.POST, "move"))
        preference.save(update_fields=["hidden", "order"])
    return _back(request)


@require_POST
def save_density(request: HttpRequest) -> HttpResponse:
    """Remember in this browser how close the rows of lists stand, and go back to the list.

    Comfortable is what a browser without the cookie shows.
    """
    chosen = typed(request.POST, "density")
    if chosen not in DENSITIES:
        return HttpResponseBadRequest("Rows are comfortable or compact. Nothing was saved.")
    response = _back(request)
    if chosen == "compact":
        response.set_cookie("density", chosen, max_age=A_YEAR, samesite="Lax", secure=request.is_secure())
    else:
        response.delete_cookie("density", samesite="Lax")
    return response


def _keys(text: str) -> list[str]:
    """Return what can be the key of a column."""
    return [key for key in text.split()[:MOST_COLUMNS] if COLUMN_KEY.fullmatch(key)]


def _moved(columns: list[str], move: str) -> list[str]:
    """Return `columns` after a move such as "left user" or "right user". One at an edge stays there."""
    direction, _, key = move.partition(" ")
    if key not in columns:
        return columns
    place = columns.index(key)
    others = columns[:place] + columns[place + 1 :]
    others.insert(max(0, place + (-1 if direction == "left" else 1)), key)
    return others


@require_POST
def save_downloads(request: HttpRequest) -> HttpResponse:
    """Remember how this person's downloads begin."""
    chosen = {"has_byte_order_mark": "has_byte_order_mark" in request.POST}
    DownloadPreference.objects.update_or_create(user_id=viewer(request).pk, defaults=chosen)
    files = "begin with a byte-order mark" if chosen["has_byte_order_mark"] else "have no byte-order mark"
    messages.success(request, f"Saved: your CSV files {files} from now on.")
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """Redirect to the page with the form, which must be one of ours."""
    there = typed(request.POST, "next", LONGEST_IN_ADDRESS)
    is_ours = there.startswith("/") and url_has_allowed_host_and_scheme(
        there, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(there if is_ours else "home")


def _read_widths(text: str) -> dict[str, int] | None:
    """Return {column: pixels} from JSON, or None if it is anything else."""
    try:
        widths = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(widths, dict) or len(widths) > MOST_COLUMNS:
        return None
    if not all(isinstance(width, int) and NARROWEST <= width <= WIDEST for width in widths.values()):
        return None
    return widths if all(COLUMN_KEY.fullmatch(key) for key in widths) else None
