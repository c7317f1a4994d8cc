"""The form of a scheduled export."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractUser

from activity.models import SavedView
from sessions_app.reports.every_report import REPORTS
from sessions_app.schedules.models import Schedule

VIEW, REPORT = "view", "report"


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """What is exported, in which form, and when."""

    what = forms.ChoiceField(
        label="View or report",
        help_text="A view gives the list with its filters; to save one, choose Views above a list. A report is about "
        "the day, the week or the month before.",
    )
    month_day = forms.TypedChoiceField(
        label="Day of the month",
        coerce=int,
        choices=[(day, str(day)) for day in range(1, 32)],
        initial=1,
        help_text="For exports of every month. In a shorter month, the last day counts.",
    )
    field_order = ("what",)

    class Meta:
        model = Schedule
        fields = ("format", "is_archive", "every", "weekday", "month_day", "at")
        widgets = {"at": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")}
        help_texts = {"weekday": "For exports of every week."}

    def __init__(self, person: AbstractUser, zone: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"label_suffix": ""})
        self._views = {str(view.pk): view for view in SavedView.objects.visible_to(person).order_by("name")}
        what = self.fields["what"]
        assert isinstance(what, forms.ChoiceField)  # noqa: S101 - for the type checker
        what.choices = [
            ("", "Choose a saved view or a report"),
            ("Saved views", [(f"{VIEW}-{pk}", view.name) for pk, view in self._views.items()]),
            ("Reports", [(f"{REPORT}-{slug}", report.title) for slug, report in REPORTS.items()]),
        ]
        if self.instance.report:
            self.initial["what"] = f"{REPORT}-{self.instance.report}"
        elif self.instance.view_id:
            self.initial["what"] = f"{VIEW}-{self.instance.view_id}"
        self.fields["at"].help_text = f"In the time zone {zone}."
        self.fields["at"].error_messages["invalid"] = "Write the time as 07:30."

    def take_what(self) -> None:
        """Let the schedule export the view or the report that was chosen."""
        kind, _, key = self.cleaned_data["what"].partition("-")
        row = self.instance
        if kind == REPORT:
            row.view, row.report, row.view_name = None, key, REPORTS[key].title
        else:
            row.view, row.report, row.view_name = self._views[key], "", self._views[key].name
