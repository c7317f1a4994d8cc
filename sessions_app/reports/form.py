"""The form above a report: its period and its own fields. It sends an address, so that a report can be bookmarked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils import timezone

from sessions_app.privileged.filters import DayField
from sessions_app.reports.periods import Days, ReportPeriod, days_of
from sessions_app.reports.report import Question, Report

WHENEVER = "At any time"
PERIOD_FIELDS = ("period", "since", "until")


class ReportForm(forms.Form):
    """Reads what is asked of a report. After validation `question` has it."""

    def __init__(self, report: Report, asked: Mapping[str, str]) -> None:
        self.report = report
        self.now = timezone.now()
        fields = report.fields()
        initial = {name: str(field.initial) for name, field in fields.items() if field.initial is not None}
        chosen = {name: value for name, value in asked.items() if value != ""}
        super().__init__({**initial, **chosen, **self._default(asked)})
        if report.has_period:
            choices: list[tuple[str, str]] = [(str(value), str(label)) for value, label in ReportPeriod.choices]
            choices = [("", WHENEVER), *choices] if report.is_period_optional else choices
            self.fields["period"] = forms.ChoiceField(
                label=report.period_label, choices=choices, required=not report.is_period_optional
            )
            self.fields["since"] = DayField(label="From", required=False)
            self.fields["until"] = DayField(label="To", required=False)
        self.fields.update(fields)

    def _default(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Return the period of somebody who has not chosen one. Dates without a period count as a custom one."""
        if not self.report.has_period or asked.get("period"):
            return {}
        if asked.get("since") or asked.get("until"):
            return {"period": ReportPeriod.CUSTOM.value}
        return {"period": self.report.period.value} if self.report.period is not None else {}

    def clean(self) -> dict[str, Any]:
        """Check that the two dates of a custom period are there, in their order."""
        found = self.cleaned_data
        if found.get("period") == ReportPeriod.CUSTOM:
            since, until = found.get("since"), found.get("until")
            for name, day in (("since", since), ("until", until)):
                if day is None and name not in self.errors:
                    self.add_error(name, "Enter a date such as 2026-01-31.")
            if since and until and since > until:
                self.add_error("until", f"The end, {until}, is before the beginning, {since}.")
        return found

    @property
    def days(self) -> Days | None:
        """Return the days that are asked for; None for at any time."""
        chosen = self.cleaned_data.get("period")
        if not chosen:
            return None
        if chosen == ReportPeriod.CUSTOM:
            since: dt.date = self.cleaned_data["since"]
            return Days(since, self.cleaned_data["until"])
        return days_of(ReportPeriod(chosen), timezone.localtime(self.now).date())

    @property
    def question(self) -> Question:
        return Question(self.days, self.cleaned_data, self.now)

    @property
    def period_words(self) -> str:
        """Return the period in words: “2026-10-01 to 2026-10-31 (last month)”."""
        if (days := self.days) is None:
            return WHENEVER
        chosen = ReportPeriod(self.cleaned_data["period"])
        label = "" if chosen == ReportPeriod.CUSTOM else f" ({chosen.label.lower()})"
        return f"{days.words}{label}"

    @property
    def filter_words(self) -> list[tuple[str, str]]:
        """Return the label and the value of each field that narrows the rows."""
        words = []
        for name, field in self.fields.items():
            value = self.cleaned_data.get(name)
            if name in PERIOD_FIELDS or value in (None, ""):
                continue
            if isinstance(field, forms.ChoiceField):
                value = dict(cast("Any", field.choices)).get(value, value)
            words.append((str(field.label), str(value)))
        return words

    @property
    def parameters(self) -> dict[str, str]:
        """Return what an address needs to ask the same again."""
        return {name: str(self.data[name]) for name in self.fields if self.data.get(name)}
