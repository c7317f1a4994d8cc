"""The log as CSV as others would send it: the recipe of Django's manual, and django-import-export."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from activity.models import LogEntry
from benchmarks.installed import PEERS

COLUMNS = (
    "id",
    "at",
    "level",
    "actor_name",
    "user_name",
    "verb",
    "message",
    "target_type",
    "target_id",
    "target_name",
    "ip",
    "details",
)


class Echo:
    """A file whose write() returns the text that it is given."""

    def write(self, value: str) -> str:
        """Return the line that is written."""
        return value


def _rows(request: HttpRequest) -> Any:
    return LogEntry.objects.order_by("-at", "-id")[: int(request.GET["rows"])]


def recipe(request: HttpRequest) -> StreamingHttpResponse:
    """Answer as Django's documentation recommends it ("Outputting CSV", "Streaming large CSV files")."""
    writer = csv.writer(Echo())
    lines: Iterator[Any] = (writer.writerow(row) for row in _rows(request).values_list(*COLUMNS).iterator())
    return StreamingHttpResponse(lines, content_type="text/csv")


def import_export(request: HttpRequest) -> HttpResponse:
    """Answer with django-import-export, which first builds the whole file in memory."""
    from import_export import resources  # noqa: PLC0415 - a peer that may not be installed

    class LogResource(resources.ModelResource):  # type: ignore[misc]  # the package has no types
        class Meta:
            model = LogEntry
            fields = COLUMNS

    return HttpResponse(LogResource().export(_rows(request)).csv, content_type="text/csv")


urlpatterns = [path("peer/recipe/", recipe)]
if PEERS["import_export"]:
    urlpatterns.append(path("peer/import-export/", import_export))
