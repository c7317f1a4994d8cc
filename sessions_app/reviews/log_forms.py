"""The forms of reviews of the log: the period, an exception, an answer."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Model
from django.http import QueryDict
from django.utils import timezone

from activity.models import LogEntry
from activity.typed import typed
from sessions_app.choosing import NamedField
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.reviews.flows.log_review import LONGEST_ANSWER, LONGEST_NOTE, begin_log_review
from sessions_app.reviews.models import LogReview
from sessions_app.reviews.what_was_looked_at import in_words, kept

TO_THE_MINUTE = "%Y-%m-%dT%H:%M"


def _time_field(label: str, help_text: str = "") -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=TO_THE_MINUTE)
    return forms.DateTimeField(label=label, widget=widget, help_text=help_text)


class LogReviewForm(ConfigurationForm):
    """The form of a new review: from when until when, and what is looked at."""

    help = ("evidence", "reviews", "How reviews work")
    since = _time_field("From")
    until = _time_field("To", "Entries before this time. It must have passed.")
    filters = forms.CharField(
        max_length=1000,
        required=False,
        label="Filter of the log",
        help_text="Leave it empty to review every entry. To review only some, filter the log first and choose Review a "
        "period there, which fills this in.",
    )

    class Meta:
        model = LogReview
        fields = ("since", "until", "filters", "note")
        help_texts: ClassVar = {"note": "It becomes a part of the signed statement."}

    def clean_filters(self) -> str:
        """Return the filters without the period. Raise ValidationError for what the log does not understand."""
        text: str = self.cleaned_data["filters"].strip()
        filters = kept(QueryDict(text.partition("?")[2] or text))
        if len(filters) and not self.words(filters):
            raise forms.ValidationError("The log knows no such filter. Copy it from the address of the log.")
        return filters.urlencode()

    def words(self, filters: QueryDict) -> str:
        """Return what the filters select, in words."""
        return in_words(self.person, filters)

    person: Any = None  # who reviews; the view sets it

    def save_for(self, actor: Any) -> Model:
        """Begin the review. Raise Refused."""
        values = self.cleaned_data
        return begin_log_review(
            actor,
            since=values["since"],
            until=values["until"],
            filters=values["filters"],
            words=self.words(QueryDict(values["filters"])),
            note=values["note"],
        )


def proposed_period() -> dict[str, Any]:
    """Return the period that a new review begins with: from the end of the last one until midnight."""
    until = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    last = LogReview.objects.exclude(signed_at=None).order_by("-until").values_list("until", flat=True).first()
    since = timezone.localtime(last) if last is not None and last < until else until - dt.timedelta(days=7)
    return {"since": since, "until": until}


class _DraftField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """Chooses a review, which is named by its period."""

    def label_from_instance(self, obj: Any) -> str:
        since, until = timezone.localtime(obj.since), timezone.localtime(obj.until)
        return f"#{obj.pk}: {since:%Y-%m-%d %H:%M} – {until:%Y-%m-%d %H:%M}"


class ExceptionForm(forms.Form):
    """Takes exception to an entry, in one of the reviews that are not signed."""

    review = _DraftField(
        LogReview.objects.filter(signed_at=None).order_by("-pk"), label="Review", empty_label="Choose a review"
    )
    entry = forms.IntegerField(min_value=1, max_value=2**62, label="Number of the entry")
    note = forms.CharField(
        max_length=LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What is wrong with it, or what is to be answered.",
        error_messages={"required": "Say what is wrong with the entry, or what is to be answered."},
    )
    asked = NamedField(
        get_user_model()._default_manager.filter(is_active=True, application=None),
        named_by="username",
        required=False,
        label="Ask",
        help_text="Who answers. This person gets a mail, and reads the entry and your note. Leave it empty to ask the "
        "administrators.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


def asked_for(sent: QueryDict) -> dict[str, int]:
    """Return what an address asks an exception for: an entry, and a review, which is else the newest one that fits."""
    found = {
        name: int(text)
        for name in ("review", "entry")
        if (text := typed(sent, name)).isascii() and text.isdigit() and len(text) < 19
    }
    if "review" not in found:
        drafts = LogReview.objects.filter(signed_at=None).order_by("-pk")
        at = LogEntry.objects.filter(pk=found["entry"]).values_list("at", flat=True).first() if found else None
        newest = drafts.filter(since__lte=at, until__gt=at).first() if at is not None else None
        found |= {"review": newest.pk} if newest is not None else {}
    return found


class AnswerForm(forms.Form):
    """Answers an exception."""

    answer = forms.CharField(
        max_length=LONGEST_ANSWER,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Write the answer."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class SignForm(forms.Form):
    """Signs a period off: which overlaps are meant, and how many exceptions the person has seen."""

    exceptions = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    agreed = forms.BooleanField(required=False, label="The overlap is intended")
    overlaps = forms.CharField(required=False, max_length=2000, widget=forms.HiddenInput)

    @property
    def agreed_numbers(self) -> set[int]:
        """Return the reviews that the person agrees to overlap with."""
        if not self.cleaned_data["agreed"]:
            return set()
        numbers = self.cleaned_data["overlaps"].split(",")
        return {int(each) for each in numbers if each.isascii() and each.isdigit() and len(each) < 19}
