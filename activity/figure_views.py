"""The views of the figures above the activity log: the summary and the chart."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from activity import summary
from activity.chart import draw
from activity.filters import reads_whole_log
from activity.listing import BadListRequest, Listing, span_of_time
from activity.listing.filterset import parameters_of
from activity.listing.links import DOWNLOAD_PARAMETERS
from activity.listing.read_routing import read
from activity.listing.response import bad_list_response, is_fragment
from activity.log_filter import LogFilter
from activity.models import LogEntry, LogEntryQuerySet
from activity.reading import note_reading
from activity.tables import log_table
from activity.verbs import Verb

PERIOD = ("period", "since", "until")  # links keep these, because the list is always about a period
READ = "Read the activity log"  # one view: the list, its summary and its chart
TOPS = ("5", "10")  # how many users the summary names
SUMMARY_PARTS = ("activity/_log_summary.html", "activity/log_summary.html")  # the fragment, and the page around it
CHART_PARTS = ("activity/_log_chart.html", "activity/log_chart.html")
FIGURES = ("Sessions", "Total", "Average", "Minimum", "Maximum")


@require_safe
def activity_summary(request: HttpRequest) -> HttpResponse:
    """Show figures of the period: sessions, their durations, and the first users.

    The page requests the chart separately, because to count the entries of a year takes longer than all the rest.
    """
    entries = LogEntry.objects.visible_to(request.user)
    response = read(request, entries, lambda found: _figures(request, found, SUMMARY_PARTS, _summary))
    note_reading(request, response, Verb.LOG_READ, READ)
    return response


@require_safe
def activity_chart(request: HttpRequest) -> HttpResponse:
    """Render the chart of the entries in the period."""
    entries = LogEntry.objects.visible_to(request.user)
    response = read(request, entries, lambda found: _figures(request, found, CHART_PARTS, _chart))
    note_reading(request, response, Verb.LOG_READ, READ)
    return response


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
    log_url = f"{reverse('activity_log')}?{urlencode(without(request, 'top'))}"
    shown = {**context(request, listing, top), "log_url": log_url}
    response = render(request, fragment if is_fragment(request) else page, shown)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _summary(request: HttpRequest, listing: Listing, top: str) -> dict[str, object]:
    """Return what the summary shows. A name that only failed logins have has no sessions."""
    filters = cast(LogFilter, listing.filters)
    form, now, sessions = filters.form, timezone.now(), summary.SessionSummary()
    asked, left_out = filters.chosen_people
    if asked != ():
        question = summary.SessionQuestion(request.user, asked, form.span, now, int(top), listing.queryset.db, left_out)
        sessions = summary.sessions(question)
    return {
        "heading": "Summary of the activity log",
        "words": form.span.words,
        "people": ("all but " if left_out else "") + " and ".join(account.now for account in form.accounts),
        "is_own": not reads_whole_log(request.user),
        "figures": list(zip(FIGURES, _texts(sessions.overall), strict=True)),
        "figure_names": FIGURES,
        "top_users": [(name, _texts(figures)) for name, figures in sessions.top],
        "top": top,
        "tops": [(choice, listing.url(top=choice)) for choice in TOPS],
        "chart_url": f"{reverse('activity_chart')}?{urlencode(without(request, 'sort', 'top'))}",
    }


def _chart(request: HttpRequest, listing: Listing, top: str) -> dict[str, object]:
    """Return what the chart shows, as bars and as a table."""
    filters = cast(LogFilter, listing.filters)
    span = filters.form.span
    entries = cast(LogEntryQuerySet, listing.queryset)
    narrowing = filters.narrowing if not entries.alternatives else None  # who sees only their own has alternatives
    buckets = summary.buckets(entries, span, timezone.now(), narrowing)
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


def without(request: HttpRequest, *names: str) -> dict[str, str]:
    """Return the parameters of the address but for `names`, and for those of a page of the list."""
    leave = {"after", "before", "last", "view", *DOWNLOAD_PARAMETERS, *names}
    found = parameters_of(request.GET, LogFilter.several)
    return {name: value for name, value in found.items() if name not in leave}
