"""Reasons to pick from where an administrator logs somebody out or locks something. Own words are as good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

FOR_LOGOUT = ("Left the company", "Suspicious activity", "Shared computer", "Maintenance")
FOR_LOCK = ("Suspicious activity", "Maintenance", "Left the company", "Investigation")
FOR_RESOURCE = ("Maintenance", "Change freeze", "Suspicious activity", "Taken out of service")


class ReasonInput(forms.TextInput):
    """A line of text with reasons to pick from, as the browser shows them."""

    def __init__(self, reasons: Sequence[str], attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs={"autocomplete": "off", **(attrs or {})})
        self.reasons = reasons

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """Return the input and the list that it names."""
        list_id = f"{(attrs or {}).get('id', name)}-reasons"
        line = super().render(name, value, {**(attrs or {}), "list": list_id}, renderer)
        options = format_html_join("", '<option value="{}"></option>', ((reason,) for reason in self.reasons))
        return format_html('{}<datalist id="{}">{}</datalist>', line, list_id, options)
