"""The form for the login rule of a person or a group, on a page of its own.

A rule that would shut out the administrator who saves it is refused, and nothing is changed.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from activity.viewer import viewer
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.configuration.views import Configuration
from sessions_app.login_rules.hours import BadHours, read_hours
from sessions_app.login_rules.models import LoginRule
from sessions_app.login_rules.networks import BadNetworks, read_networks
from sessions_app.login_rules.rules import ASK, why_shut_out
from sessions_app.logins.service import request_ip
from sessions_app.pages.people.configuration import GROUPS, USERS

SUPERUSERS = "Only a superuser changes the rule of a group with superusers in it."


class LoginRuleForm(ConfigurationForm):
    """The form of one rule. Its texts are stored as the readers of networks and hours write them."""

    help = ("sign-in", "rules-of-a-person-or-a-group", "How login rules work")
    networks = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    hours = forms.CharField(
        label="Hours of the week",
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    class Meta:
        model = LoginRule
        fields = ("networks", "hours", "max_logins")
        help_texts = {"max_logins": "Empty: as the page Sign-in settings says for everybody."}

    def __init__(self, data: Any = None, *, instance: LoginRule, actor: AbstractUser, address: str, zone: str) -> None:
        self.actor, self.address = actor, address
        super().__init__(data, instance=instance)
        self.fields["networks"].help_text = (
            f"One a line, such as 10.20.0.0/16 or 2001:db8::/32. You come from {address or 'an unknown address'}. "
            "Empty: from anywhere."
        )
        self.fields["hours"].help_text = (
            f"One span a line, such as Mon-Fri 07:00-19:00, in the time zone {zone}. Fri 22:00-06:00 goes on into "
            "Saturday. Empty: at any time."
        )

    def clean_networks(self) -> str:
        """Return the networks as they are stored. Raise ValidationError."""
        try:
            return read_networks(self.cleaned_data["networks"])
        except BadNetworks as problem:
            raise forms.ValidationError(str(problem)) from problem

    def clean_hours(self) -> str:
        """Return the hours as they are stored. Raise ValidationError."""
        try:
            return read_hours(self.cleaned_data["hours"])
        except BadHours as problem:
            raise forms.ValidationError(str(problem)) from problem

    def clean(self) -> dict[str, Any] | None:
        """Refuse a rule that shuts out its author, or superusers by somebody who is none."""
        super().clean()
        members = get_user_model()._default_manager.filter(groups=self.instance.group_id, is_superuser=True)
        if self.instance.group_id is not None and not self.actor.is_superuser and members.exists():
            raise forms.ValidationError(SUPERUSERS)
        if self.errors:
            return self.cleaned_data
        limits = {name: self.cleaned_data[name] for name in ("networks", "hours")}
        wanted = LoginRule(
            pk=self.instance.pk, user_id=self.instance.user_id, group_id=self.instance.group_id, **limits
        )
        refusal = why_shut_out(self.actor.pk, wanted, self.address)
        if refusal is not None:
            text = f"This would shut you out: you are at {self.address or 'an unknown address'}. {refusal.text}"
            self.add_error(refusal.part.value, f"{text.removesuffix(ASK).strip()} Nothing was changed.")
        return self.cleaned_data

    def save_for(self, actor: Any) -> Model:
        """Save the rule, or delete it when nothing is left in it."""
        rule: LoginRule = self.instance
        if not rule.is_empty:
            return super().save_for(actor)
        if rule.pk is not None:
            rule.delete()
        return rule


class LoginRuleConfiguration(Configuration):
    """Changes the rule of a person or a group. One that nobody has made yet limits nothing."""

    model = LoginRule
    form = LoginRuleForm
    name = "login_rule"
    list_name = "users"
    ends_sessions = False

    def urls(self, prefix: str = "login-rule") -> list[URLPattern]:
        """Return the address of the form below the page of a person, and below that of a group."""
        return [
            path(f"users/<int:pk>/{prefix}/", self._view(self.of_user), name="user_login_rule"),
            path(f"groups/<int:pk>/{prefix}/", self._view(self.of_group), name="group_login_rule"),
        ]

    def of_user(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form for a person's rule (GET), or change the rule (POST)."""
        return self._edit(request, _stored(LoginRule(user=USERS.find(request, pk))))

    def of_group(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form for the rule of a group (GET), or change the rule (POST)."""
        return self._edit(request, _stored(LoginRule(group=GROUPS.find(request, pk))))

    def make_form(self, request: HttpRequest, data: Any, thing: Any, initial: Any = None) -> ConfigurationForm:
        """Return the form, with what the check whether its author is shut out needs.

        The rule is read once more, because another administrator may have saved the first one a moment ago.
        """
        zone = str(timezone.get_default_timezone())
        address = request_ip(request)
        return LoginRuleForm(data, instance=_stored(thing), actor=viewer(request), address=address, zone=zone)

    def page_of(self, thing: Any) -> str:
        """Return the address of the page of the person or the group."""
        return reverse("group", args=[thing.group_id]) if thing.group_id else reverse("user", args=[thing.user_id])

    def said(self, thing: Any, *, is_new: bool) -> list[tuple[str, str]]:
        """Return the line that tells what was saved."""
        if thing.is_empty:
            return [("success", f"No login rule of {thing} is left.")]
        return [
            ("success", f"Saved the login rule of {thing}. A login that it does not allow ends with its next page.")
        ]

    def context(self, request: HttpRequest, form: ConfigurationForm) -> dict[str, Any]:
        """Return the heading, and the word of the button, which is the same for a new rule."""
        return {"title": f"Login rule of {form.instance}", "button": "Save changes"}


def _stored(rule: LoginRule) -> LoginRule:
    """Return the rule of the same person or group as it is stored; the given one if there is none."""
    rules = LoginRule.objects.select_related("user", "group")
    own = rules.filter(user=rule.user_id) if rule.group_id is None else rules.filter(group=rule.group_id)
    return own.first() or rule


LOGIN_RULES = LoginRuleConfiguration()
