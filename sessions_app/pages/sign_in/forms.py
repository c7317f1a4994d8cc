"""The form of the settings of sign-in. Each subject has its section: what it adds goes into `fields` and `sections`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import AbstractUser
from django.db.models import Model, Q

from sessions_app.choosing import ChosenField, users_field
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.login_rules.models import PasswordLogin, SignInSettings
from sessions_app.logins import initial_passwords
from sessions_app.people.administrators import administrators
from sessions_app.sso.models import Identity
from sessions_app.sso.providers import providers

LOGS_IN_WITH_A_PASSWORD = Q(application=None) & ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
# Whoever lost the password since can still be taken off the list.
IS_ON_THE_LIST = Q(pk__in=SignInSettings.break_glass_accounts.through._default_manager.values("user"))


class SignInSettingsForm(ConfigurationForm):
    """Everything that administrators decide about signing in for the whole console."""

    help = ("sign-in", "login-rules", "How people sign in")
    break_glass_accounts = users_field(
        LOGS_IN_WITH_A_PASSWORD | IS_ON_THE_LIST,
        label="Break-glass accounts",
        required=False,
        help_text=SignInSettings._meta.get_field("break_glass_accounts").help_text,
    )
    sections = (
        ("Second factors", ("second_factor", "grace_logins")),
        ("Login rules", ("max_logins", "when_too_many", "idle_days")),
        ("Single sign-on", ("password_login",)),
        ("Break-glass accounts", ("break_glass_accounts",)),
    )

    class Meta:
        model = SignInSettings
        fields = (
            "second_factor",
            "grace_logins",
            "max_logins",
            "when_too_many",
            "idle_days",
            "password_login",
            "break_glass_accounts",
        )

    def __init__(self, data: Any = None, *, actor: AbstractUser, instance: Any = None, initial: Any = None) -> None:
        self.actor = actor
        super().__init__(data, instance=instance, initial=initial)

    def clean(self) -> dict[str, Any] | None:
        """Refuse to switch passwords off where nobody, or not even the author, could log in any more."""
        values = super().clean()
        if self.cleaned_data.get("password_login") == PasswordLogin.BREAK_GLASS:
            kept = set(self.cleaned_data.get("break_glass_accounts", ()))
            able = [person.pk for person in administrators() if person.pk in kept and person.has_usable_password()]
            issuers = [provider.issuer for provider in providers().values()]
            if not issuers:
                self.add_error("password_login", "No provider of single sign-on is set up, so nobody could log in.")
            elif not able:
                text = "Choose an administrator with a password, who can log in when no provider answers."
                self.add_error("break_glass_accounts", text)
            elif self.actor.pk not in able and not Identity.objects.filter(user=self.actor.pk, issuer__in=issuers):
                text = "You could not log in any more. Link your own account to a provider first, under “Your account”."
                self.add_error("password_login", text)
        return values

    def save_for(self, actor: Any) -> Model:
        """Save the settings. Initial passwords of accounts that leave the list are good for a week from now on."""
        chosen = self.fields["break_glass_accounts"]
        assert isinstance(chosen, ChosenField)  # noqa: S101 - for the type checker
        initial_passwords.count_from_now(chosen.current - set(self.cleaned_data["break_glass_accounts"]))
        return super().save_for(actor)
