"""Form fields that show how the server understands what is typed, above all for durations."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions_app.configuration.durations import BadDuration, in_words, read_duration, write_duration


class EchoInput(forms.TextInput):
    """A text input, and beside it how the server understands what was typed.

    htmx asks the server on each change; without JavaScript the words come with the next page.
    """

    url_name: ClassVar[str]  # of the address that gives the words for the value of its only parameter

    def echo(self, text: str) -> str:
        """Return the words for what was typed, as the address gives them; an empty string for nothing."""
        raise NotImplementedError

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return the context of the input, with the attributes by which htmx fetches the words."""
        asks = {
            "hx-get": reverse(self.url_name),
            "hx-params": name,  # not what the form around it sends along (hx-vals)
            "hx-trigger": "input changed delay:300ms, change",
            "hx-target": "next .echo",
            "hx-swap": "innerHTML",
            "hx-push-url": "false",
            "autocomplete": "off",
        }
        return super().get_context(name, value, {**(attrs or {}), **asks})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the input, and the element for the words."""
        shown = super().render(name, value, attrs, renderer)
        words = self.echo(str(self.format_value(value) or ""))
        return format_html('<span class="with-echo">{} <output class="echo">{}</output></span>', shown, words)


class DurationInput(EchoInput):
    """A text input for a duration, and beside it how the server reads it."""

    url_name = "duration_echo"

    def echo(self, text: str) -> str:
        """Return how the server reads `text`, for instance "= 1 hour"; an empty string if it cannot."""
        try:
            return f"= {in_words(read_duration(text))}"
        except BadDuration:
            return ""  # the field has the reason among its errors

    def format_value(self, value: Any) -> str:
        """Return the text of the input; a text that was typed stays as it is."""
        return write_duration(value) if isinstance(value, dt.timedelta) else str(value or "")


class DurationField(forms.Field):
    """A duration as people type it. Its value is a timedelta."""

    widget = DurationInput

    def to_python(self, value: Any) -> Any:
        """Return the duration; None if the text is empty. Raise ValidationError."""
        if value in self.empty_values:
            return None
        if isinstance(value, dt.timedelta):
            return value
        try:
            return read_duration(str(value))
        except BadDuration as problem:
            raise ValidationError(str(problem), code="invalid") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether `data` means another duration than `initial`."""
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except ValidationError:
            return True


class SecondsField(DurationField):
    """A duration as people type it. Its value is a whole number of seconds, as some models store it."""

    def prepare_value(self, value: Any) -> Any:
        """Return the stored number as a duration; a text that was typed stays as it is."""
        return dt.timedelta(seconds=value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        """Return the number of seconds; None if the text is empty. Raise ValidationError."""
        if isinstance(value, int):
            return value
        found = super().to_python(value)
        return None if found is None else int(found.total_seconds())
