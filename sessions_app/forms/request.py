"""The third step of the request wizard: why, under which ticket, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms

NOW, LATER = "now", "later"


class DetailsForm(forms.Form):
    """Notes, ticket and start. `notes_for` and `ticket_for` name the connection profiles that require them."""

    notes = forms.CharField(max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 4}))
    ticket = forms.CharField(max_length=80, required=False)
    when = forms.ChoiceField(
        label="Start",
        choices=[(NOW, "As soon as possible"), (LATER, "On a date")],
        initial=NOW,
        widget=forms.RadioSelect,
    )
    start_at = forms.DateTimeField(
        label="Date and time",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        initial: Mapping[str, Any] | None = None,
        notes_for: str = "",
        ticket_for: str = "",
        zone: str = "UTC",
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        for name, profile in (("notes", notes_for), ("ticket", ticket_for)):
            if profile:
                field = self.fields[name]
                field.required = True
                field.help_text = f"The connection profile {profile} requires it."
                field.error_messages["required"] = f"The connection profile {profile} requires this field."
        self.fields["start_at"].help_text = f"In the time zone {zone}. Counts only with “On a date”."

    def clean(self) -> dict[str, Any]:
        """A date is needed, and read, only when the person chose one."""
        values = super().clean() or {}
        if values.get("when") == NOW:
            values["start_at"] = None
            self.errors.pop("start_at", None)
        elif values.get("when") == LATER and not values.get("start_at") and "start_at" not in self.errors:
            self.add_error("start_at", "Enter the date and time when it should start.")
        return values

    @property
    def start(self) -> dt.datetime | None:
        """When it should start, in UTC terms aware; None for as soon as possible. Only after is_valid()."""
        return self.cleaned_data.get("start_at")
