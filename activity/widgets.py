"""Writes the widgets that every list has (text, date, number, menu) in Python; set as FORM_RENDERER. Knows no form.

Django renders each by a template and each choice of a menu by another, which was a tenth of the time of a page. The
HTML is Django's own, and everything else is left to Django.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

INPUTS = frozenset(f"django/forms/widgets/{kind}.html" for kind in ("text", "date", "number"))
SELECT, OPTION = "django/forms/widgets/select.html", "django/forms/widgets/select_option.html"


class QuickWidgets(DjangoTemplates):
    """Django's renderer, but for some small templates."""

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        """The finished HTML."""
        if template_name in INPUTS:
            return _input(context["widget"])
        if template_name == SELECT and all(option["template_name"] == OPTION for option in _options(context["widget"])):
            return _select(context["widget"])
        return super().render(template_name, context, request)


def _options(widget: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return itertools.chain.from_iterable(options for _, options, _ in widget["optgroups"])


def _attributes(attributes: Mapping[str, Any]) -> str:
    """As attrs.html: nothing for False, the name alone for True."""
    return "".join(
        f" {name}" if value is True else f' {name}="{conditional_escape(value)}"'
        for name, value in attributes.items()
        if value is not False
    )


def _input(widget: Mapping[str, Any]) -> SafeString:
    value = "" if widget["value"] is None else f' value="{conditional_escape(widget["value"])}"'
    name = conditional_escape(widget["name"])
    return SafeString(f'<input type="{widget["type"]}" name="{name}"{value}{_attributes(widget["attrs"])}>')


def _select(widget: Mapping[str, Any]) -> SafeString:
    parts = [f'<select name="{conditional_escape(widget["name"])}"{_attributes(widget["attrs"])}>']
    for group, options, _ in widget["optgroups"]:
        if group:
            parts.append(f'<optgroup label="{conditional_escape(group)}">')
        parts += [
            f'<option value="{conditional_escape(option["value"])}"{_attributes(option["attrs"])}>'
            f"{conditional_escape(option['label'])}</option>"
            for option in options
        ]
        if group:
            parts.append("</optgroup>")
    return SafeString("".join([*parts, "</select>"]))
