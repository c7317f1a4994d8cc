"""The form of a scheduled export."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractUser

from activity.models import SavedView
from sessions_app.schedules.models import Every, Schedule


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """What is exported, in which form, and when."""

    month_day = forms.TypedChoiceField(
        label="Day of the month",
        coerce=int,
        choices=[(day, str(day)) for day in range(1, 32)],
        initial=1,
        help_text="For exports of every month. In a shorter month, the last day counts.",
    )

    class Meta:
        model = Schedule
        fields = ("view", "format", "is_archive", "every", "weekday", "month_day", "at")
        widgets = {"at": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")}
        help_texts = {
            "view": "The export has the list and the filters of this view. To save a view, choose Views above a list.",
            "weekday": "For exports of every week.",
        }

    def __init__(self, person: AbstractUser, zone: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"label_suffix": ""})
        view = self.fields["view"]
        assert isinstance(view, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        view.queryset = SavedView.objects.visible_to(person).order_by("name")
        view.required = True
        view.empty_label = "Choose a saved view"
        self.fields["at"].help_text = f"In the time zone {zone}."
        self.fields["at"].error_messages["invalid"] = "Write the time as 07:30."

    def clean_every(self) -> str:
        """Return how often, as one of the choices."""
        return str(Every(self.cleaned_data["every"]))
