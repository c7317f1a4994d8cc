"""The view of the settings of sign-in, in the frame of the forms of the configuration. For administrators only."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from activity.viewer import viewer
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.configuration.views import Configuration
from sessions_app.login_rules.models import ONLY_ROW, SignInSettings
from sessions_app.pages.sign_in.forms import SignInSettingsForm
from sessions_app.worker.idle_accounts import idle_accounts


class SignInConfiguration(Configuration):
    """Changes the only row of the settings."""

    model = SignInSettings
    form = SignInSettingsForm
    name = "sign_in_settings"
    list_name = "sign_in_settings"
    ends_sessions = False

    def urls(self, prefix: str) -> list[URLPattern]:
        """Return the only address."""
        return [path(f"{prefix}/", self._view(self.settings), name=self.name)]

    def settings(self, request: HttpRequest) -> HttpResponse:
        """Show the settings (GET), or change them (POST)."""
        self._require(request, None)
        if request.method == "POST":  # the first one to save makes the row, so that the log has old and new values
            SignInSettings.objects.get_or_create(pk=ONLY_ROW)
        return self._edit(request, SignInSettings.current())

    def make_form(self, request: HttpRequest, data: Any, thing: Model | None, initial: Any = None) -> ConfigurationForm:
        """Return the form, which refuses what would shut out this administrator."""
        return SignInSettingsForm(data, actor=viewer(request), instance=thing, initial=initial)

    def page_of(self, thing: Any) -> str:
        """Return the address of this page."""
        return reverse(self.name)

    def said(self, thing: Any, *, is_new: bool) -> list[tuple[str, str]]:
        """Return the line that tells what was saved, and one that says how many accounts a worker disables now."""
        lines = [("success", "The settings of sign-in were saved.")]
        idle = idle_accounts(timezone.now() - dt.timedelta(days=thing.idle_days)).count() if thing.idle_days else 0
        if idle:
            accounts = "1 account was" if idle == 1 else f"{idle} accounts were"
            how = f"{accounts} not used for {thing.idle_days} days."
            lines.append(("warning", f"{how} A worker disables what is unused within ten minutes."))
        return lines

    def context(self, request: HttpRequest, form: ConfigurationForm) -> dict[str, Any]:
        """Return the heading of the page."""
        return {"title": "Sign-in settings"}


SIGN_IN = SignInConfiguration()
