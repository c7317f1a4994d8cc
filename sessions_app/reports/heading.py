"""What stands above a report, on the screen, on paper and in the workbook: of what it is, who made it and when."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.utils import timezone

from activity.listing import exact_time
from activity.seal.models import Checkpoint
from sessions_app.reports.form import ReportForm
from sessions_app.reports.report import Answer, Report
from sessions_app.reports.tables import shares, shown_columns

Fact = tuple[str, str]


def facts(report: Report, form: ReportForm, person: AbstractUser, rows: int) -> Sequence[Fact]:
    """Return the facts of a report that is made now. It reads the newest checkpoint of the sealed log."""
    period = [(report.period_label, f"{form.period_words}, both days included")] if report.has_period else []
    if period and form.days is None:
        period = [(report.period_label, form.period_words)]
    return [
        *period,
        ("Filter", "; ".join(f"{label}: {value}" for label, value in form.filter_words) or "None"),
        ("Rows", count_text(report, rows)),
        ("Made by", _name(person)),
        ("Made at", exact_time(form.now)),
        ("Time zone", f"{timezone.get_current_timezone_name()}; files have times in UTC"),
        ("Sealed log", checkpoint_words()),
    ]


def above_the_rows(
    report: Report, form: ReportForm, answer: Answer, person: AbstractUser, rows: int
) -> dict[str, object]:
    """Return for a template what a page on the screen and one on paper have in common."""
    return {
        "heading": f"{report.title}: {form.period_words}" if report.has_period else report.title,
        "report": report,
        "facts": facts(report, form, person, rows),
        "totals": answer.totals(),
        "counts": [counts for counts in answer.counts() if counts.lines],
        "columns": shown_columns(report),
        "shares": shares(report),
    }


def count_text(report: Report, rows: int) -> str:
    """Return how many rows there are, in words."""
    return f"{rows:,} {report.noun if rows == 1 else report.nouns}"


def _name(person: AbstractUser) -> str:
    whole = person.get_full_name()
    return f"{person.get_username()} ({whole})" if whole else person.get_username()


def checkpoint_words() -> str:
    """Return the newest checkpoint of the sealed log, so that the paper can be compared with one kept elsewhere."""
    newest = Checkpoint.objects.order_by("-pk").first()
    if newest is None:
        return "No checkpoint yet"
    root = base64.b64encode(bytes(newest.root)).decode()
    return f"Checkpoint of {newest.size:,} entries, {exact_time(newest.at)}, root {root}"
