"""The whole of a report on one page, to be printed or saved as PDF. It is sent while it is read."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.utils import timezone

from activity.downloads import StreamedDownload, take_slot
from activity.viewer import viewer
from sessions_app.reports.form import ReportForm
from sessions_app.reports.heading import above_the_rows
from sessions_app.reports.report import Answer, Report
from sessions_app.reports.tables import HtmlRows

MOST_ON_PAPER = 20_000  # rows; some thousand sheets
ROWS_IN_PIECE = 500
HERE = "<!-- rows -->"  # in the template


def paper_response(request: HttpRequest, report: Report, form: ReportForm, answer: Answer) -> HttpResponseBase:
    """Return the page with all rows. Raise limits.TooMany where the person has too many downloads."""
    count = answer.count()
    context = {
        **above_the_rows(report, form, answer, viewer(request), count),
        "has_rows": bool(count),
        "left_out": max(count - MOST_ON_PAPER, 0),
        "most": MOST_ON_PAPER,
        "screen_url": f"{request.path}?{urlencode(form.parameters)}",
    }
    before, _, after = render_to_string("sessions_app/reports/paper.html", context, request).partition(HERE)
    place = take_slot(viewer(request))
    return StreamedDownload(place, _pieces(before, report, answer, after), headers={"Cache-Control": "no-store"})


def _pieces(before: str, report: Report, answer: Answer, after: str) -> Iterator[bytes]:
    # Looked up now: when the rows are written, the middleware that knows the zone has already ended.
    zone = timezone.get_current_timezone()
    return itertools.chain([before.encode()], _rows(report, answer, zone), [after.encode()])


def _rows(report: Report, answer: Answer, zone: dt.tzinfo) -> Iterator[bytes]:
    table = HtmlRows(report)
    rows = itertools.islice(answer.rows(), MOST_ON_PAPER)
    while some := list(itertools.islice(rows, ROWS_IN_PIECE)):
        with timezone.override(zone):  # not around the whole: this thread does other things between two pieces
            piece = table.written(some)
        yield piece.encode()
