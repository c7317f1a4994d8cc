"""Form fields to choose objects: many by searching, which scales to thousands, or one by its name.

Both work without JavaScript. What follows is about the first, ChosenField.

It shows what is chosen, and the first matches of the search, as checkboxes. The button “Search” (named `find`), and
htmx while one types, send the whole form to its own address; a view shows such a form again and saves nothing.

Not everything that is chosen can be shown. So the form sends what changed: `name` has the ticked boxes, `name-shown`
the keys that were chosen before and had a box, and `name-also` keys that are chosen without a box. Whoever was shown
and is not ticked is taken out, and whoever had no box stays.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import BooleanField, ExpressionWrapper, Model, Q, QuerySet
from django.forms.boundfield import BoundField
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from activity.folding import fold
from activity.typed import LONGEST_TEXT
from sessions_app.errors import Refused

Found = TypeVar("Found", bound=Model)
FIND = "find"  # the name of the button that searches
EVERY = "all"  # after the name of the field: the button that chooses whatever matches
KEY = re.compile(r"[0-9]{1,18}", re.ASCII)  # a number that fits into 64 bits
MOST_CHOSEN, MOST_FOUND = 100, 20  # boxes
MOST_ALIKE = 3  # names that are suggested for one that does not exist


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """What was sent for one field."""

    ticked: frozenset[int]
    shown: frozenset[int] = frozenset()
    search: str = ""
    wants_every: bool = False
    has_wrong_key: bool = False

    def applied_to(self, current: frozenset[int]) -> frozenset[int]:
        """Return the keys that are chosen after the change, of those that were chosen before."""
        return (current - self.shown) | self.ticked


class Chooser(forms.Widget):
    """The checkboxes and the search of a ChosenField."""

    use_fieldset = True
    field: ChosenField  # set by the field for each form

    class Media:
        css = {"all": ["chooser.css"]}
        js = [forms.Script("chooser.js", type="module")]

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Chosen:
        """Return what was sent. Keys that cannot be keys are left out and noted."""
        lists = [data.get(f"{name}-shown", ""), data.get(f"{name}-also", "")]
        shown, also = ([key for key in text.split(",") if key] for text in lists)
        ticked = [*_all_of(data, name), *also]
        keys = frozenset(int(key) for key in ticked if KEY.fullmatch(key))
        search = str(data.get(f"{name}-search", "")).replace("\x00", "").strip()[:LONGEST_TEXT]
        return Chosen(
            keys,
            frozenset(int(key) for key in shown if KEY.fullmatch(key)),
            search,
            data.get(FIND) == f"{name}-{EVERY}",
            not all(KEY.fullmatch(key) for key in [*shown, *ticked]),
        )

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Return False, because a browser does not send boxes that are not ticked."""
        return False

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        """Return an empty string: a fieldset has the label of all boxes."""
        return ""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the search and the boxes as HTML."""
        sent = value if isinstance(value, Chosen) else Chosen(frozenset())
        context = {"name": name, "id": (attrs or {}).get("id", f"id_{name}"), **self.field.boxes(sent)}
        return render_to_string("sessions_app/chooser.html", context)


class ChosenField(forms.Field):
    """Many objects of `queryset`; its value is the list of their keys.

    `search` names the fields that the search looks into. `hint` returns what stands behind the name of an object.
    """

    widget = Chooser
    default_error_messages = {
        "required": "Choose at least one.",
        "gone": "What you chose does not exist any more, or cannot be chosen. Search for it again.",
    }

    def __init__(
        self,
        queryset: QuerySet[Any],
        *,
        search: Sequence[str],
        nouns: str,
        hint: Callable[[Any], str] = lambda thing: "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.queryset, self.search, self.nouns, self.hint = queryset, tuple(search), nouns, hint
        self.current: frozenset[int] = frozenset()

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> BoundField:
        """Return the field of a form, after noting what is chosen before the change."""
        initial: Iterable[Any] = form.get_initial_for_field(self, field_name) or ()
        self.current = frozenset(each.pk if isinstance(each, Model) else int(each) for each in initial)
        self.widget.field = self
        return super().get_bound_field(form, field_name)

    def clean(self, value: Any) -> list[int]:
        """Return the keys that are chosen. Raise ValidationError for keys that cannot be chosen."""
        sent: Chosen = value
        added = sent.ticked - self.current
        if sent.has_wrong_key or self.queryset.filter(pk__in=added).count() != len(added):
            raise forms.ValidationError(self.error_messages["gone"], code="gone")
        keys = sorted(sent.applied_to(self.current))
        if self.required and not keys:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return keys

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether something else is chosen than before."""
        return data.applied_to(self.current) != self.current  # type: ignore[no-any-return]  # frozensets

    def keys_so_far(self, sent: Any) -> frozenset[int]:
        """Return the keys that are chosen in a form which is not validated, without those that cannot be chosen."""
        if not isinstance(sent, Chosen):
            return self.current
        keys = sent.applied_to(self.current)
        if sent.wants_every:
            keys |= frozenset(self._matching(sent.search).values_list("pk", flat=True))
        added = keys - self.current
        gone = added - frozenset(self.queryset.filter(pk__in=added).values_list("pk", flat=True)) if added else added
        return keys - gone

    def boxes(self, sent: Chosen) -> dict[str, Any]:
        """Return the boxes to show, chosen ones that match the search first, and what is chosen without a box."""
        keys = self.keys_so_far(sent)
        matches = ExpressionWrapper(self._condition(sent.search), BooleanField()) if sent.search else None
        rows = self.queryset.filter(pk__in=keys)
        if matches is not None:
            rows = rows.annotate(_matches=matches).order_by("-_matches", *(rows.query.order_by or ("pk",)))
        chosen = list(rows[:MOST_CHOSEN])
        with_box = {thing.pk for thing in chosen}
        without_box = keys - with_box
        others = self._matching(sent.search).exclude(pk__in=keys)
        found = list(others[: MOST_FOUND + 1])
        count = others.count() if len(found) > MOST_FOUND else len(found)
        return {
            "nouns": self.nouns,
            "search": sent.search,
            "chosen": [(thing, self.hint(thing)) for thing in chosen],
            "found": [(thing, self.hint(thing)) for thing in found[:MOST_FOUND]],
            "chosen_count": len(keys),
            "found_count": count,
            "more_chosen": len(without_box),
            "more_found": count - min(count, MOST_FOUND),
            "shown": ",".join(map(str, sorted((sent.shown | with_box) & self.current))),
            "also": ",".join(
                map(str, sorted(key for key in without_box if key in sent.shown or key not in self.current))
            ),
        }

    def _matching(self, search: str) -> QuerySet[Any]:
        return self.queryset.filter(self._condition(search)) if search else self.queryset

    def _condition(self, search: str) -> Q:
        condition = Q()
        for name in self.search:
            condition |= Q(**{f"{name}__folded_contains": search})
        return condition


class NameInput(forms.TextInput):
    """A text input that suggests the first names."""

    field: NamedField  # set by the field

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return the context of the input, which names its list of suggestions."""
        return super().get_context(name, value, {**(attrs or {}), "list": f"{name}-names", "autocomplete": "off"})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the input and the list."""
        options = format_html_join("", '<option value="{}"></option>', ((each,) for each in self.field.first_names()))
        shown = super().render(name, value, attrs, renderer)
        return format_html('{}<datalist id="{}-names">{}</datalist>', shown, name, options)


class NamedField(forms.CharField):
    """One object of `queryset`, which is typed as the text of its field `named_by`. Its value is the object or None."""

    widget = NameInput

    def __init__(self, queryset: QuerySet[Any], named_by: str, **kwargs: Any) -> None:
        super().__init__(max_length=150, **kwargs)
        self.queryset, self.named_by = queryset, named_by
        self.widget.field = self

    def __deepcopy__(self, memo: Any) -> NamedField:
        copied: NamedField = super().__deepcopy__(memo)
        copied.widget.field = copied
        return copied

    def first_names(self) -> list[str]:
        """Return the names to suggest."""
        return list(self.queryset.order_by(self.named_by).values_list(self.named_by, flat=True)[:MOST_CHOSEN])

    def prepare_value(self, value: Any) -> Any:
        """Return the name of an object; a text that was typed stays as it is."""
        if isinstance(value, int):
            value = self.queryset.filter(pk=value).first()
        return getattr(value, self.named_by) if isinstance(value, Model) else value

    def clean(self, value: Any) -> Any:
        """Return the object. Raise ValidationError, with the names that look alike, if there is none."""
        name = super().clean(value)
        try:
            return find_by_name(self.queryset, self.named_by, name) if name else None
        except Refused as unknown:
            raise forms.ValidationError(unknown.message) from unknown

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether another name was typed."""
        return super().has_changed(self.prepare_value(initial), data)


def find_by_name(things: QuerySet[Found], field: str, name: str) -> Found:
    """Return the object whose `field` is `name`, also if case or accents differ and only one is so called.

    Raise Refused with the names that look alike if there is none.
    """
    exact = list(things.filter(**{field: name})[:1]) or list(things.filter(**{f"{field}__folded_exact": name})[:2])
    if len(exact) == 1:
        return exact[0]
    known = {fold(each): each for each in things.order_by(field).values_list(field, flat=True)}
    alike = [known[each] for each in difflib.get_close_matches(fold(name), known, MOST_ALIKE, 0.5)]
    hint = f" Did you mean {' or '.join(f'“{each}”' for each in alike)}?" if alike else ""
    raise Refused(f"There is no {things.model._meta.verbose_name} “{name}”.{hint}")


def users_field(condition: Q | None = None, **kwargs: Any) -> ChosenField:
    """Return a field for users and applications; for those who meet the condition if there is one."""
    everybody = get_user_model()._default_manager.order_by("username")
    found = everybody.filter(condition) if condition is not None else everybody
    search = ("username", "first_name", "last_name", "email")
    return ChosenField(found, search=search, nouns="people", hint=_user_hint, **kwargs)


def groups_field(**kwargs: Any) -> ChosenField:
    """Return a field for groups."""
    return ChosenField(Group.objects.order_by("name"), search=("name",), nouns="groups", **kwargs)


def _user_hint(user: Any) -> str:
    return ", ".join(part for part in (user.get_full_name(), "" if user.is_active else "disabled") if part)


def _all_of(data: Mapping[str, Any], name: str) -> list[str]:
    """Return every value that was sent under a name, from a form (QueryDict) or from a dictionary."""
    if hasattr(data, "getlist"):
        return [str(key) for key in data.getlist(name)]
    found = data.get(name, [])
    return [str(key) for key in (found if isinstance(found, list | tuple) else [found])]
