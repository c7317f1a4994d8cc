"""The stage of a login that looks whether the person has the second factor that is required."""

from __future__ import annotations

from allauth.account.internal.flows.login import record_authentication
from allauth.account.stages import LoginStage
from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from sessions_app.factors.required import count_login, is_required
from sessions_app.factors.stage import counts_as_two, has_factor
from sessions_app.logins.sign_in import ENROLMENT


class EnrolmentStage(LoginStage):  # type: ignore[misc]  # allauth has no types
    """Counts a login without the second factor that is required, and closes it when there were enough of them."""

    key = ENROLMENT

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Let the login go on; the record makes it one that must enrol (sign_in.py)."""
        user = self.login.user
        if has_factor(user) or counts_as_two(self.request, user) or not is_required(user):
            return None, True
        left = count_login(user)
        if left is None:
            record_authentication(self.request, user, ENROLMENT)
            return None, True
        more = "this is the last login without it" if not left else f"you can log in without it {_times(left)} more"
        messages.warning(
            self.request,
            format_html(
                'Your account needs a second factor; {}. <a href="{}">Set it up</a>.', more, reverse("factors")
            ),
        )
        return None, True


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
