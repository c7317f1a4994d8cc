"""A report as a file: what the formats of downloads need to know of it (activity/listing/formats.py)."""

from __future__ import annotations

from activity.listing.file_names import part_of_name
from activity.listing.source import Source
from sessions_app.reports.form import ReportForm
from sessions_app.reports.report import Answer, Report


def source_of(report: Report, form: ReportForm, answer: Answer) -> Source:
    """Return all rows of a report, with all its columns. The name of the file says the period and the filters."""
    days = form.days if report.has_period else None
    filters = [part_of_name(value) for _, value in form.filter_words]
    values = [column.value for column in report.columns]
    words = [f"{label}: {value}" for label, value in form.filter_words]
    return Source(
        name="-".join(["report", report.slug, *([days.slug] if days else []), *filters]),
        nouns=f"{report.nouns} of the report “{report.title}”",
        keys=[column.key for column in report.columns],
        labels=[column.label for column in report.columns],
        rows=([value(row) for value in values] for row in answer.rows()),
        filters=form.parameters,
        applied={
            "words": words,
            **({"from": days.start.isoformat(), "until": days.end.isoformat()} if days is not None else {}),
        },
    )
