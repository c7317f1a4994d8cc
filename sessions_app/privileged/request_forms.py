"""The form of the third step of the request wizard: notes, ticket and start."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone

from sessions_app.privileged.policy import why_start_time_invalid

NOW, LATER = "now", "later"
FIRST, SECOND = "first", "second"


class LocalTimeField(forms.Field):
    """A date and time without a time zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    default_error_messages = {"invalid": "Enter a valid date/time."}
    formats = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M")

    def to_python(self, value: Any) -> dt.datetime | None:
        """Return the date and time. Raise ValidationError for anything else."""
        text = str(value or "").strip()
        if not text:
            return None
        for one in self.formats:
            with contextlib.suppress(ValueError):
                return dt.datetime.strptime(text, one)  # noqa: DTZ007 - the zone is the form's
        raise forms.ValidationError(self.error_messages["invalid"], code="invalid")


class DetailsForm(forms.Form):
    """The form for notes, ticket number and start.

    `notes_for` and `ticket_number_for` name the connection profiles that require them. A date that was typed counts
    even if “as soon as possible” is chosen, so that nobody starts at once by mistake. The field `which` exists only for
    a time that occurs twice, in the night when the clocks go back.
    """

    notes = forms.CharField(max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 4}))
    ticket_number = forms.CharField(max_length=80, required=False)
    when = forms.ChoiceField(
        label="Start",
        choices=[(NOW, "As soon as possible"), (LATER, "At a time")],
        initial=NOW,
        widget=forms.RadioSelect,
    )
    start_at = LocalTimeField(label="Date and time", required=False)
    which = forms.ChoiceField(label="Which of the two", required=False, widget=forms.RadioSelect)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        initial: Mapping[str, Any] | None = None,
        notes_for: str = "",
        ticket_number_for: str = "",
        zone: str = "UTC",
    ) -> None:
        super().__init__(_with_choice_for_date(data), initial=_with_choice_for_date(initial) or {})
        for name, profile in (("notes", notes_for), ("ticket_number", ticket_number_for)):
            if profile:
                field = self.fields[name]
                field.required = True
                field.help_text = f"The connection profile {profile} requires this field."
                field.error_messages["required"] = f"The connection profile {profile} requires this field."
        self.fields["start_at"].help_text = f"In the time zone {zone}. Leave it empty to start as soon as possible."
        twice = self._ambiguous_time()
        if twice is None:
            del self.fields["which"]
        else:
            self.fields["which"].help_text = f"The clocks in {zone} go back that night, so this time comes twice."
            self.fields["which"].widget.choices = self.fields["which"].choices = _both(twice)  # type: ignore[attr-defined]  # the field of the class above

    def clean(self) -> dict[str, Any]:
        """Return the values.

        Raise ValidationError for a missing start, or a local time that does not exist or occurs twice.
        """
        values = super().clean() or {}
        local = values.get("start_at")
        if values.get("when") == LATER and local is None and "start_at" not in self.errors:
            self.add_error("start_at", "Enter the date and time when it should start.")
        if local is None:
            return values
        first, second = _possible_times(local)
        if first.utcoffset() < second.utcoffset():  # type: ignore[operator]  # aware times have one
            later = first.astimezone(dt.UTC).astimezone(first.tzinfo)
            self.add_error(
                "start_at",
                f"There is no {local:%H:%M} on {local:%Y-%m-%d} in {timezone.get_current_timezone_name()}: the clocks "
                f"go forward over it. Enter another time, for instance {later:%H:%M}.",
            )
        elif "which" in self.fields and not values.get("which"):
            self.add_error("which", f"{local:%H:%M} comes twice in that night. Choose which of the two you mean.")
        values["start_at"] = second if values.get("which") == SECOND else first
        if "start_at" not in self.errors and (reason := why_start_time_invalid(values["start_at"], timezone.now())):
            self.add_error("start_at", reason)
        return values

    @property
    def start(self) -> dt.datetime | None:
        """Return the start as an aware time; None for as soon as possible. Call it after is_valid()."""
        return self.cleaned_data.get("start_at")

    def _ambiguous_time(self) -> dt.datetime | None:
        """Return the typed local time if it occurs twice."""
        typed = self.data.get("start_at") if self.is_bound else self.initial.get("start_at")
        with contextlib.suppress(forms.ValidationError):
            local = LocalTimeField(required=False).clean(typed)
            if local is not None:
                first, second = _possible_times(local)
                return local if first.utcoffset() > second.utcoffset() else None  # type: ignore[operator]  # as above
        return None


def _with_choice_for_date(sent: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the sent values, with “At a time” chosen if a date was typed."""
    if sent is None:
        return None
    values = {name: sent.get(name) for name in sent}
    if str(values.get("start_at") or "").strip():
        values["when"] = LATER
    return values


def _possible_times(local: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return the two times that this local time can mean in the viewer's time zone (PEP 495).

    They are equal except when the clocks change.
    """
    zone = timezone.get_current_timezone()
    return local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)


def _both(local: dt.datetime) -> list[tuple[str, str]]:
    first, second = _possible_times(local)
    return [
        (FIRST, f"{local:%H:%M} for the first time, before the clocks go back (UTC{first.isoformat()[-6:]})"),
        (SECOND, f"{local:%H:%M} for the second time, after they went back (UTC{second.isoformat()[-6:]})"),
    ]
