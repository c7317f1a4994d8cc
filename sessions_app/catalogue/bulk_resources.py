"""Reads many resources from pasted lines, one on each line: name, address, port, service account, description.

The columns are separated by tabs, semicolons or commas. Address and the columns after it may be left out. Every line is
validated as the form of one resource is, and all are saved or none.
"""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import ErrorDict

from sessions_app.catalogue.connectors import capabilities_of
from sessions_app.catalogue.models import Platform, Resource
from sessions_app.catalogue.resource_forms import connectors_for

MOST_LINES = 500
LONGEST_TEXT = 100_000  # characters
MOST_NAMED = 20  # this many problems are listed
COLUMNS = ("name", "address", "port", "service_account", "description")
PREVIEW = "preview"  # the button that only shows what would be added


class ManyResourcesForm(forms.Form):
    """The form for many resources of one platform and one connector. `resources` holds those that were read."""

    platform = forms.ChoiceField(choices=[one for one in Platform.choices if one[0] != Platform.VAULT])
    connector = forms.ChoiceField()
    service_account = forms.CharField(
        max_length=64, required=False, help_text="For lines that do not name one. A practice host needs none."
    )
    lines = forms.CharField(
        label="Resources",
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 10, "class": "code", "spellcheck": "false", "wrap": "off"}),
        help_text=f"One on each line, at most {MOST_LINES}: name, address, port, service account, description. "
        "Separate them with tabs, semicolons or commas. Only the name is required; it stands for a missing address.",
    )
    use_required_attribute = False

    def __init__(self, data: Any = None, *, initial: Any = None) -> None:
        super().__init__(data, initial=initial, label_suffix="")
        self.resources: list[Resource] = []
        field = self.fields["connector"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = [(name, name) for name in connectors_for(Platform.LINUX, "")]

    def clean(self) -> dict[str, Any]:
        """Read and validate every line. Raise ValidationError that names each line that cannot be taken."""
        values = super().clean() or {}
        if self.errors:
            return values
        lines = [(number, line) for number, line in enumerate(values["lines"].splitlines(), start=1) if line.strip()]
        if len(lines) > MOST_LINES:
            raise ValidationError({"lines": f"These are {len(lines)} lines; at most {MOST_LINES} are read at once."})
        taken = set(Resource.objects.values_list("name", flat=True)) if lines else set()
        problems: list[str] = []
        for number, line in lines:
            resource = self._read(line, values)
            found = problems_of(resource)
            if resource.name in taken:
                found.append(f"The name “{resource.name}” is taken already.")
            taken.add(resource.name)
            problems += [f"Line {number}: {problem}" for problem in found]
            self.resources.append(resource)
        if problems:
            more = len(problems) - MOST_NAMED
            raise ValidationError({"lines": problems[:MOST_NAMED] + ([f"And {more} more."] if more > 0 else [])})
        return values

    def _read(self, line: str, values: dict[str, Any]) -> Resource:
        parts = [part.strip() for part in re.split(r"[\t;,]", line.strip(), maxsplit=len(COLUMNS) - 1)]
        named = dict(zip(COLUMNS, parts, strict=False))
        is_host = capabilities_of(values["connector"]).is_host
        return Resource(
            platform=values["platform"],
            connector=values["connector"],
            name=named["name"],
            address=named.get("address") or named["name"],
            port=named.get("port") or 22,  # a text that is no number is refused by full_clean()
            service_account=(named.get("service_account") or values["service_account"]) if is_host else "",
            description=named.get("description", ""),
        )

    @property
    def is_preview(self) -> bool:
        """Return whether the resources are only shown, and not saved."""
        return PREVIEW in self.data


def problems_of(resource: Resource) -> list[str]:
    """Return what is wrong with a resource, as sentences that name the column."""
    try:
        resource.full_clean(validate_unique=False)
    except ValidationError as error:
        by_field: ErrorDict | dict[str, list[str]] = error.message_dict
        return [f"{name.replace('_', ' ').capitalize()}: {text}" for name, texts in by_field.items() for text in texts]
    return []
