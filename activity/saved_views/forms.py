"""The form that names a saved view and says who sees it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractUser

from activity.saved_views.flows import NotSaved, checked_name, may_share
from activity.saved_views.models import LONGEST_NAME, SavedView

SHARED_HELP = (
    "Everybody who may open this list sees the name and the filters of the view. "
    "It gives nobody a right: each sees in the list what they may see anyway."
)


class ViewForm(forms.Form):
    """Name and sharing of a view. Only administrators and auditors have the second field."""

    name = forms.CharField(max_length=LONGEST_NAME, label="Name", error_messages={"required": "Give the view a name."})
    is_shared = forms.BooleanField(required=False, label="Share with everybody", help_text=SHARED_HELP)

    def __init__(self, person: AbstractUser, view: SavedView | None = None, data: Any = None) -> None:
        initial = {"name": view.name, "is_shared": view.is_shared} if view is not None else {}
        super().__init__(data, initial=initial, label_suffix="")
        self.person, self.view = person, view
        if not may_share(person, view):
            del self.fields["is_shared"]

    def clean_name(self) -> str:
        """Return the name. Raise ValidationError if another view of the person has it."""
        try:
            return checked_name(self.person, self.cleaned_data["name"], self.view)
        except NotSaved as problem:
            raise forms.ValidationError(str(problem)) from problem
