"""Schedules of exports, and files that they made."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from activity.models import SavedView
from sessions_app.reports.every_report import REPORTS
from sessions_app.schedules import files
from sessions_app.schedules.models import Schedule, ScheduledExport
from sessions_app.schedules.rights import role_key


def make_view(owner: User, path: str = "/activity/", query: str = "", **values: Any) -> SavedView:
    """Save a view of a list."""
    given = {"name": f"View {secrets.token_hex(3)}", "table": "activity", "nouns": "entries", **values}
    return SavedView.objects.create(owner=owner, path=path, query=query, **given)


def make_schedule(owner: User, view: SavedView | None = None, **values: Any) -> Schedule:
    """Schedule the export of a view; it is due now."""
    if "report" not in values:
        view = view or make_view(owner)
        values = {"view_name": view.name, **values}
    given = {"at": dt.time(7, 30), "zone": "Europe/Zurich", "every": "day", **values}
    return Schedule.objects.create(owner=owner, view=view, **given)


def make_report_schedule(owner: User, slug: str, **values: Any) -> Schedule:
    """Schedule a report; it is due now."""
    return make_schedule(owner, report=slug, view_name=REPORTS[slug].title, **values)


def make_scheduled_export(owner: User, content: bytes = b"ID\r\n", **values: Any) -> ScheduledExport:
    """Keep a file for the owner, as a worker does."""
    stored_as, size, sha256 = files.write([content], lambda: None)
    expires_at = timezone.now() + dt.timedelta(days=7)
    given = {"token": secrets.token_urlsafe(32), "expires_at": expires_at, "made_as": role_key(owner), **values}
    schedule = given.pop("schedule", None) or make_schedule(owner)
    return ScheduledExport.objects.create(
        schedule=schedule,
        stored_as=stored_as,
        file_name="view.csv",
        content_type="text/csv",
        size=size,
        sha256=sha256,
        **given,
    )
