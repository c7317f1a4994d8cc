"""The form of an activity, which asks what its platform and its kind of account need."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.conf import settings

from sessions_app.catalogue.account_names import login_account_example
from sessions_app.catalogue.models import AccountKind, Activity, Platform
from sessions_app.configuration.fields import EchoInput
from sessions_app.configuration.forms import ConfigurationForm

OF_AN_ACCOUNT = ("kind", "login_account_template", "unix_groups", "sudo_rule", "shell")
ACTIONS = ("grant_actions", "remove_actions")


class AccountTemplateInput(EchoInput):
    """The input for a template of login accounts, and beside it what the template makes."""

    url_name = "login_account_echo"

    def echo(self, text: str) -> str:
        """Return an example of what the template makes."""
        return login_account_example(text)


class ActivityForm(ConfigurationForm):
    """The form of an activity: a vault has no accounts, and commands need neither groups nor a sudo rule."""

    help = ("hosts", "what-an-activity-does", "What an activity does on a host")
    sections = (("The account on the resource", OF_AN_ACCOUNT), ("Commands", ACTIONS))
    choices_that_ask = ("platform", "kind")

    class Meta:
        model = Activity
        fields = ("name", "platform", "description", "is_active", *OF_AN_ACCOUNT, *ACTIONS)
        widgets = {
            "description": forms.Textarea(attrs={"rows": 2}),
            "login_account_template": AccountTemplateInput(),
            **{name: forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "code"}) for name in ACTIONS},
            "sudo_rule": forms.TextInput(attrs={"spellcheck": "false", "class": "code", "autocomplete": "off"}),
        }

    def unneeded(self) -> Collection[str]:
        """Return the fields that this platform and this kind of account do not need."""
        if self.value("platform") == Platform.VAULT:
            return {*OF_AN_ACCOUNT, *ACTIONS}
        kind = self.value("kind")
        found = {"shell"} if kind != AccountKind.EPHEMERAL else set()
        if kind == AccountKind.COMMANDS:
            return found | {"unix_groups", "sudo_rule"}
        # A practice host shows the actions as the rights that it gives.
        has_actions = any(self.value(name) for name in ACTIONS)
        return found if settings.IS_TRIAL or has_actions else found | {*ACTIONS}

    def clean(self) -> dict[str, Any] | None:
        """Give an activity on a vault the name of the person as its account."""
        values = super().clean()
        if "login_account_template" in self.kept:
            self.instance.login_account_template = "{user}"
        return values
