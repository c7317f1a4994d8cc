"""Pages of the reports, for administrators and auditors."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from activity.listing import Download
from activity.listing.errors import BadListRequest
from activity.listing.formats import asked_format
from activity.listing.links import DOWNLOAD_PARAMETERS, asks_for_download, offered
from activity.listing.response import bad_list_response
from activity.once import record_once
from activity.reading import note_reading
from activity.typed import LONGEST_IN_ADDRESS, refuse_unreadable_address, typed
from activity.verbs import Verb
from activity.viewer import viewer
from sessions_app.reports.every_report import REPORTS
from sessions_app.reports.files import source_of
from sessions_app.reports.form import ReportForm
from sessions_app.reports.heading import above_the_rows, count_text
from sessions_app.reports.paper import paper_response
from sessions_app.reports.report import Answer, Place, Report
from sessions_app.reports.tables import HtmlRows
from sessions_app.roles import sees_everything

PAGE_PARAMETERS = ("after", "before", "last")
OTHER_FORMS = (*DOWNLOAD_PARAMETERS, "paper")


@require_safe
def reports(request: HttpRequest) -> HttpResponse:
    """Show which reports there are."""
    _require_reader(request)
    return render(request, "sessions_app/reports/reports.html", {"heading": "Reports", "reports": REPORTS.values()})


@require_safe
def report(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Show a report: a page of it, all of it for the printer, or as a file."""
    _require_reader(request)
    if slug not in REPORTS:
        raise Http404("There is no such report.")
    found = REPORTS[slug]
    refuse_unreadable_address(request.GET)
    form = ReportForm(found, request.GET.dict())
    known = {*form.fields, *PAGE_PARAMETERS, *OTHER_FORMS}
    for name in request.GET:
        if name not in known:
            return bad_list_response(request, f"This report has no field called “{name[:40]}”.")
    if not form.is_valid():
        context = {"heading": found.title, "report": found, "form": form}
        return render(request, "sessions_app/reports/report.html", context, status=400)
    answer = found.answer(form.question)
    if "paper" in request.GET:
        said = {"filters": form.parameters}
        record_once(Verb.REPORT_VIEWED, f"{_viewed(found)} for the printer", actor=viewer(request), details=said)
        return paper_response(request, found, form, answer)
    try:
        if asks_for_download(request.GET):
            source, kind = source_of(found, form, answer), asked_format(request.GET.dict())
            download = Download(viewer(request), source, kind, is_zip="zip" in request.GET)
            download.log_beginning()
            return download
        response = render(request, "sessions_app/reports/report.html", _context(request, found, form, answer))
    except BadListRequest as problem:
        return bad_list_response(request, str(problem))
    note_reading(request, response, Verb.REPORT_VIEWED, _viewed(found))
    return response


def _viewed(found: Report) -> str:
    return f"Viewed the report “{found.title}”"


def _require_reader(request: HttpRequest) -> None:
    if not sees_everything(viewer(request)):
        raise PermissionDenied("Only administrators and auditors see reports.")


def _context(request: HttpRequest, found: Report, form: ReportForm, answer: Answer) -> dict[str, Any]:
    place = Place(
        after=typed(request.GET, "after", LONGEST_IN_ADDRESS),
        before=typed(request.GET, "before", LONGEST_IN_ADDRESS),
        is_last=bool(typed(request.GET, "last")),
    )
    page = answer.page(place)
    count = answer.count()
    asked = form.parameters

    def url(**more: str) -> str:
        return f"{request.path}?{urlencode({**asked, **more})}"

    return {
        **above_the_rows(found, form, answer, viewer(request), count),
        "form": form,
        "count": count_text(found, count),
        "rows": HtmlRows(found).written(page.rows),
        "is_part": bool(page.previous or page.next),
        "csv_url": url(csv="1"),
        "downloads": offered(url),
        "paper_url": url(paper="1"),
        "first_url": url() if page.previous else "",
        "previous_url": url(before=page.previous) if page.previous else "",
        "next_url": url(after=page.next) if page.next else "",
        "last_url": url(last="1") if page.next else "",
    }
