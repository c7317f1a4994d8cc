"""The base of the forms for what is configured: sections, and fields that only some choices need."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, ClassVar

from django import forms
from django.db.models import Model
from django.forms.boundfield import BoundField
from django.forms.utils import ErrorDict
from django.http import QueryDict

from sessions_app.choosing import FIND, ChosenField
from sessions_app.errors import Refused

SHOW = "_show"  # the name of the button that shows the form again for the choices so far, and saves nothing


class ConfigurationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A form that asks only for what the choices so far need.

    `unneeded()` names the fields that are not asked. Their values are kept in hidden inputs, so that nothing that was
    typed is lost when the choice changes again; when the form is saved, they get the default of the model.
    """

    sections: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()  # titles and names; fields without one come first
    help: ClassVar[tuple[str, str, str] | None] = (
        None  # document, anchor and words of the paragraph on what is configured
    )
    choices_that_ask: ClassVar[tuple[str, ...]] = ()  # a change of these fields shows the form again
    write_only: ClassVar[tuple[str, ...]] = ()  # fields whose values are never shown, logged or repeated
    use_required_attribute = False  # the server says what is missing, at the field

    data: QueryDict
    kept: dict[str, forms.Field]

    def __init__(self, data: QueryDict | None = None, *, instance: Any = None, initial: Any = None) -> None:
        super().__init__(data, instance=instance, initial=initial, label_suffix="")
        for field in self._meta.model._meta.concrete_fields:  # a field that the class declares knows no default
            if field.name in self.base_fields and field.has_default() and self.fields[field.name].initial is None:
                self.fields[field.name].initial = field.get_default()
        self.add_fields()
        self.is_unfinished = data is not None and (SHOW in data or FIND in data)
        for name in self.choices_that_ask:
            self.fields[name].widget.attrs["data-asks"] = ""
        unneeded = set(self.unneeded())
        self.kept = {name: self.fields.pop(name) for name in list(self.fields) if name in unneeded}

    def add_fields(self) -> None:
        """Add fields that cannot be written down in the class, for instance those of parts of the object."""

    def unneeded(self) -> Collection[str]:
        """Return the names of the fields that the choices so far do not need."""
        return ()

    def value(self, name: str) -> Any:
        """Return the value of a field so far: what was sent, which is not validated, or what the form begins with."""
        if self.is_bound:
            return self.fields[name].widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
        return self.get_initial_for_field(self.fields[name], name)

    def full_clean(self) -> None:
        """Validate the form. One that is only shown again has no errors yet but for what is secret and is not kept."""
        if self.is_unfinished:
            self._errors = ErrorDict()
            self.cleaned_data: dict[str, Any] = {}
        else:
            super().full_clean()
        for name in self.write_only if self.errors or self.is_unfinished else ():
            if self.data.get(name) and name in self.fields and name not in self.errors:
                self.add_error(name, "Enter it once more: what is secret is not kept with a form that is shown again.")

    def clean(self) -> dict[str, Any] | None:
        """Give the fields that are not asked the default of the model."""
        values = super().clean()
        for field in self._meta.model._meta.concrete_fields:
            if field.name in self.kept:
                setattr(self.instance, field.attname, field.get_default())
        return values

    def add_error(self, field: str | None, error: Any) -> None:
        """Add an error. One of the model about a field that is not asked belongs to the whole form."""
        by_field = getattr(error, "error_dict", None)
        if by_field is None:
            super().add_error(field if field in self.fields else None, error)
            return
        for name, problems in by_field.items():
            super().add_error(name if name in self.fields else None, problems)

    @property
    def kept_values(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value of each hidden input that keeps what a field which is not asked has."""
        for name, field in self.kept.items():
            if name in self.write_only:
                continue
            if self.is_bound:  # a field may have sent several values, such as those of a chooser
                sent = [key for key in self.data if key == name or key.startswith(f"{name}-")]
                yield from ((key, value) for key in sent for value in self.data.getlist(key) if value)
                continue
            initial = field.prepare_value(self.get_initial_for_field(field, name))
            if isinstance(field, forms.BooleanField):
                initial = "on" if initial else ""
            if initial not in (None, "") and not isinstance(field, ChosenField):
                yield name, field.widget.format_value(initial)

    @property
    def shown_sections(self) -> list[tuple[str, list[BoundField]]]:
        """Return the titles of the sections and their fields; sections without a field are left out."""
        named = {name for _, names in self.sections for name in names}
        parts = [("", tuple(name for name in self.fields if name not in named)), *self.sections]
        shown = [(title, [self[name] for name in names if name in self.fields]) for title, names in parts]
        return [(title, fields) for title, fields in shown if fields]

    @property
    def wrong_fields(self) -> list[BoundField]:
        """Return the fields that are shown and have errors, in the order of the form."""
        return [field for _, fields in self.shown_sections for field in fields if field.errors]

    def save_for(self, actor: Any) -> Model:
        """Save the object. Forms that store who changed something use `actor`."""
        saved: Model = self.save()
        return saved

    def try_to_save(self, actor: Any) -> Any:
        """Save, and return the object; None if that is Refused, which the form then says where it belongs."""
        try:
            return self.save_for(actor)
        except Refused as refused:
            self.add_error(refused.field or None, refused.message)
            return None
