"""The form of the settings of sign-in. Each subject has its section: what it adds goes into `fields` and `sections`."""

from __future__ import annotations

from sessions_app.choosing import users_field
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.login_rules.models import SignInSettings


class SignInSettingsForm(ConfigurationForm):
    """Everything that administrators decide about signing in for the whole console."""

    help = ("sign-in", "login-rules", "How people sign in")
    break_glass_accounts = users_field(
        required=False, help_text=SignInSettings._meta.get_field("break_glass_accounts").help_text
    )
    sections = (
        ("Login rules", ("max_logins", "when_too_many", "idle_days")),
        ("Break-glass accounts", ("break_glass_accounts",)),
    )

    class Meta:
        model = SignInSettings
        fields = ("max_logins", "when_too_many", "idle_days", "break_glass_accounts")
