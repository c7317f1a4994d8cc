"""Pages of the activity log. This package imports nothing of sessions_app."""

from __future__ import annotations

import json
import re

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from activity import names
from activity.addresses import safe_next
from activity.figure_views import PERIOD, READ, without
from activity.filters import options, reads_whole_log, suggest_users
from activity.listing.file_names import part_of_name
from activity.listing.filterset import NOT, NOT_EXACTLY, parameters_of
from activity.listing.response import list_response
from activity.log_filter import LogFilter
from activity.models import DownloadPreference, ListPreference, LogEntry
from activity.period import PeriodProblem, Span, read_span
from activity.reading import note_reading
from activity.tables import log_table
from activity.typed import LONGEST_IN_ADDRESS, LONGEST_TEXT, typed
from activity.verbs import Verb
from activity.viewer import viewer

NARROWEST, WIDEST = 60, 1600  # pixels
MOST_COLUMNS = 60
DENSITIES = ("comfortable", "compact")
A_YEAR = 31_536_000  # seconds that the browser keeps the choice
COLUMN_KEY = re.compile("[a-z0-9_-]{1,40}")  # PostgreSQL's JSON accepts neither NUL nor lone surrogates
MOST_TABLES = 50
# The filters that the name of a download holds, and what it calls them.
NAMED_FILTERS = (
    ("user", "user"),
    ("activity", "keyword"),
    ("verb", "verb"),
    ("outcome", "outcome"),
    ("level", "level"),
    ("host", "host"),
    ("target", "target"),
    ("address", "address"),
)
NOT_IN_NAMES = re.compile("[./,:*]+")  # the signs of networks and verbs


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
    response = list_response(
        request,
        table,
        names.logged(LogEntry.objects.visible_to(request.user)),
        "activity/log.html",
        filterset=LogFilter,
        extra=PERIOD,
        context=context,
        csv_name=_file_name(request, span),
    )
    note_reading(request, response, Verb.LOG_READ, READ)
    return response


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


def _summary_url(request: HttpRequest) -> str:
    return f"{reverse('activity_summary')}?{urlencode(without(request, 'sort'))}"


def _file_name(request: HttpRequest, span: Span) -> str:
    """Return a name that says what is in the download: the period and the filters."""
    parts = ["activity-log", span.slug]
    asked = parameters_of(request.GET, LogFilter.several)
    for name, word in NAMED_FILTERS:
        given = asked.get(name, "")[:LONGEST_TEXT]
        if value := part_of_name(NOT_IN_NAMES.sub("-", given) if name in ("verb", "address") else given):
            is_not = asked.get(f"{name}_is") in (NOT, NOT_EXACTLY)
            parts += [word, "not", value] if is_not else [word, value]
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
    return redirect(safe_next(request, typed(request.POST, "next", LONGEST_IN_ADDRESS)))


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
