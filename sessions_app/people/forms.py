"""Forms to lock an account or a resource, to end all access of a person at once, and of personal settings."""

import zoneinfo
from typing import Any, cast

from django import forms

from sessions_app.people.models import Density, PersonalSettings, Theme
from sessions_app.reasons import FOR_LOCK, FOR_LOGOUT, FOR_RESOURCE, ReasonInput

UTC = "UTC"


class LockForm(forms.Form):
    """The form for a lock: the title and message that the locked person sees."""

    title = forms.CharField(
        max_length=120,
        widget=ReasonInput(FOR_LOCK),
        help_text="The locked person reads this title. Pick a reason, or write your own.",
    )
    message = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Tell the person what happened, and whom to ask.",
    )


class ResourceLockForm(LockForm):
    """The form to close a resource: the title and message that people read who want a session on it."""

    title = forms.CharField(
        max_length=120,
        widget=ReasonInput(FOR_RESOURCE),
        help_text="People who want a session here read this title. Pick a reason, or write your own.",
    )


class LockdownForm(forms.Form):
    """The form to end all access: the reason, which is logged and becomes the message of the lock."""

    reason = forms.CharField(
        max_length=120,
        required=False,
        widget=ReasonInput(FOR_LOGOUT),
        help_text="The reason is written to the activity log. The person reads it when they try to log in.",
    )


def _zones(of_browser: str) -> list[tuple[str, Any]]:
    """Return the choices of a time zone: the browser's, UTC, and those of places, grouped by continent."""
    continents: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(zoneinfo.available_timezones()):
        continent, _, place = name.partition("/")
        if place and continent not in ("Etc", "SystemV", "posix", "right"):
            continents.setdefault(continent, []).append((name, name.replace("_", " ")))
    browsers = f"The browser's (now {of_browser})" if of_browser else "The browser's"
    return [("", browsers), (UTC, UTC), *continents.items()]


class PersonalSettingsForm(forms.ModelForm):  # type: ignore[type-arg] # Django's class cannot be subscripted
    """The form of /settings/."""

    zone = forms.ChoiceField(
        label="Time zone", required=False, help_text="Pages show all times in it. Mails do too, if you choose one."
    )
    theme = forms.ChoiceField(choices=Theme.choices, required=False)
    density = forms.ChoiceField(
        label="Rows of lists",
        choices=Density.choices,
        required=False,
        help_text="Compact lists show more rows at once.",
    )

    class Meta:
        model = PersonalSettings
        fields = ("zone", "theme", "density", "start_page", "mails_approvals", "mails_sessions")
        labels = {"start_page": "First page after a login"}

    def __init__(self, *args: Any, of_browser: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["zone"]).choices = _zones(of_browser)
