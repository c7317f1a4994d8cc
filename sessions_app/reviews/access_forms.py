"""The forms of access reviews: what is reviewed, by whom and until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any, ClassVar

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone

from sessions_app.catalogue.models import AccessPolicy, Resource
from sessions_app.choosing import ChosenField, groups_field
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.reviews.flows.access import LONGEST_REASON, Scope, begin_access_review, change_access_review
from sessions_app.reviews.models import AccessReview

DUE_IN = dt.timedelta(days=14)
MOST_NAMED = 5
KINDS = {
    "all": "All rights",
    "groups": "All rights of the members of some groups",
    "resources": "All rights on some resources",
    "policies": "What some access policies give",
}


def reviewers_field() -> ChosenField:
    """Return a field for those who can log in to review."""
    people = get_user_model()._default_manager.filter(is_active=True, application=None).order_by("username")
    return ChosenField(
        people,
        search=("username", "first_name", "last_name", "email"),
        nouns="people",
        hint=lambda person: person.get_full_name(),
        label="Reviewers",
        help_text="Nobody decides about a right of their own, or about one that they granted. Choose at least two "
        "people, so that somebody can decide about each.",
    )


class _WithReviewers(ConfigurationForm):
    """What both forms have."""

    def clean_due_on(self) -> dt.date:
        """Return the day. Raise ValidationError for one that has passed."""
        due: dt.date = self.cleaned_data["due_on"]
        if due < timezone.localdate():
            raise forms.ValidationError("The day has passed already. Choose a later one.")
        return due

    @property
    def people(self) -> list[Any]:
        """Return the reviewers that were chosen."""
        return list(get_user_model()._default_manager.filter(pk__in=self.cleaned_data["reviewers"]))


class AccessReviewForm(_WithReviewers):
    """The form of a new access review."""

    help = ("evidence", "reviews", "How reviews work")
    choices_that_ask = ("kind",)
    sections: ClassVar = (
        ("What is reviewed", ("kind", "groups", "resources", "policies")),
        ("By whom, and until when", ("reviewers", "due_on")),
    )
    kind = forms.ChoiceField(label="Rights", choices=tuple(KINDS.items()), initial="all")
    groups = groups_field()
    resources = ChosenField(Resource.objects.order_by("name"), search=("name", "address"), nouns="resources")
    policies = ChosenField(
        AccessPolicy.objects.filter(is_active=True).order_by("name"),
        search=("name",),
        nouns="access policies",
        label="Access policies",
    )
    reviewers = reviewers_field()

    class Meta:
        model = AccessReview
        fields = ("name", "due_on")
        widgets: ClassVar = {"due_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}
        help_texts: ClassVar = {"name": "Such as “Autumn 2026”. Who is refused by it reads this name."}

    def add_fields(self) -> None:
        """Propose the day on which the review is due."""
        self.fields["due_on"].initial = timezone.localdate() + DUE_IN

    def unneeded(self) -> Collection[str]:
        """Return the choosers that the kind of scope does not need."""
        return {"groups", "resources", "policies"} - {self.value("kind")}

    def _scope(self) -> Scope:
        kind = self.cleaned_data["kind"]
        if kind == "all":
            return Scope(kind, "All rights")
        keys = tuple(self.cleaned_data[kind])
        models: dict[str, Any] = {"groups": Group, "resources": Resource, "policies": AccessPolicy}
        names = list(models[kind].objects.filter(pk__in=keys).order_by("name").values_list("name", flat=True))
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        noun = {"groups": "Members of", "resources": "On", "policies": "By"}[kind]
        return Scope(kind, f"{noun} {', '.join(names[:MOST_NAMED])}{more}", keys)

    def save_for(self, actor: Any) -> Model:
        """Begin the review. Raise Refused."""
        values = self.cleaned_data
        return begin_access_review(
            actor, name=values["name"], scope=self._scope(), reviewers=self.people, due_on=values["due_on"]
        )


class ReviewersForm(_WithReviewers):
    """Changes who reviews, and until when."""

    reviewers = reviewers_field()

    class Meta:
        model = AccessReview
        fields = ("due_on",)
        widgets: ClassVar = {"due_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}

    def add_fields(self) -> None:
        """Show who reviews now."""
        self.initial["reviewers"] = list(self.instance.reviewers.values_list("pk", flat=True))

    def clean_due_on(self) -> dt.date:
        """Return the day; one that has passed may stay."""
        due: dt.date = self.cleaned_data["due_on"]
        return due if due == self.initial.get("due_on") else super().clean_due_on()

    def save_for(self, actor: Any) -> Model:
        """Change the review. Raise Refused."""
        review: AccessReview = self.instance
        change_access_review(actor, review, reviewers=self.people, due_on=self.cleaned_data["due_on"])
        return review


class ReasonForm(forms.Form):
    """Asks why."""

    reason = forms.CharField(max_length=LONGEST_REASON, required=False, widget=forms.TextInput())

    def __init__(self, *args: Any, is_required: bool, label: str = "Reason", **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["reason"].required = is_required
        self.fields["reason"].label = label
        self.fields["reason"].error_messages["required"] = "Say why."
        self.fields["reason"].widget.attrs["required"] = is_required
