"""Views to log in, to log out, and to change one's password."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import Login
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse_lazy

from activity.addresses import safe_next
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.logins import initial_passwords
from sessions_app.logins.backend import current_login
from sessions_app.logins.farewell import farewell
from sessions_app.logins.forms import LoginForm, NewPasswordForm
from sessions_app.logins.service import live_logins
from sessions_app.logins.sign_in import RefusedByRule
from sessions_app.permission import lock_account_row


class ConsoleLoginView(LoginView):
    """Logs a person in by user name and password, and then opens the page they wanted, on this host only."""

    authentication_form = LoginForm
    template_name = "registration/login.html"
    extra_context = {"heading": "Log in"}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add why this browser was logged out, if an administrator did it."""
        return super().get_context_data(farewell=farewell(), **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Go on to the second factor if the person has one, or else begin the login session (sign_in.py)."""
        user = form.get_user()
        clear_login(self.request)  # what this browser gave at an earlier login counts for that one only
        login = Login(user=user, redirect_url=self.get_redirect_url())
        try:
            response: HttpResponse = perform_password_login(self.request, {"username": user.get_username()}, login)
        except RefusedByRule as refusal:
            form.add_error(None, str(refusal))
            return self.form_invalid(form)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show the form with the error.

        The status is 429 after too many tries (RFC 6585), with the seconds to wait, and 503 when nobody can log in.
        """
        response = super().form_invalid(form)
        login = cast(LoginForm, form)
        if login.waiting is not None:
            response.status_code = 429
            response["Retry-After"] = str(login.waiting.seconds)
        elif login.is_closed:
            response.status_code = 503
        return response


class ConsoleLogoutView(LogoutView):
    """Logs a person out by POST only. The signal handler in signals.py ends the login session."""


class ConsolePasswordChangeView(PasswordChangeView):
    """Changes one's own password, and logs out all other browsers of the person (signals.py)."""

    form_class = NewPasswordForm
    template_name = "registration/password_change.html"
    success_url = reverse_lazy("account")
    extra_context = {"heading": "Change password"}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether nothing else opens before."""
        return super().get_context_data(is_initial=initial_passwords.must_be_changed(self.request), **kwargs)

    def get_success_url(self) -> str:
        """Return the page that led here if the address names it, such as the first steps; else one's account."""
        return safe_next(self.request, typed(self.request.GET, "next"), str(self.success_url))

    def get_form_kwargs(self) -> dict[str, Any]:
        """Add the request, whose address is counted for failed tries."""
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: NewPasswordForm) -> HttpResponse:  # type: ignore[override]  # the form of this class
        """Change the password, and say how many browsers were logged out by that.

        Of several changes with the same old password at the same moment, only the first one succeeds.
        """
        me = viewer(self.request)
        changed = form.save(commit=False)  # outside the transaction, because hashing is slow
        others = live_logins(me, but=current_login(self.request))
        with transaction.atomic():
            if lock_account_row(me).password != form.old_hash:
                form.add_error("old_password", "The password was changed a moment ago. Nothing was changed by you.")
                return self.form_invalid(form)
            count = others.count()
            changed.save(update_fields=["password"])
            update_session_auth_hash(self.request, changed)
            initial_passwords.was_changed(self.request)
        ended = f"{count} other {'session was' if count == 1 else 'sessions were'} logged out." if count else ""
        messages.success(self.request, f"Your password was changed. {ended}".strip())
        return HttpResponseRedirect(self.get_success_url())
