"""Tags for times, durations, badges, and buttons that open a confirmation."""

import datetime as dt

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString

from activity.listing import moment, span_of_time
from sessions_app.pages.people.tables import state_badge

register = template.Library()


@register.simple_tag(name="moment")
def moment_tag(value: dt.datetime | None) -> str:
    """Return a time in the viewer's time zone; a dash for None."""
    return moment(value)


@register.simple_tag
def span(value: dt.timedelta | None) -> str:
    """Return a duration in words."""
    return span_of_time(value)


@register.simple_tag
def account_state(state: str) -> SafeString:
    """Return the badge of an account: active, locked or disabled."""
    return state_badge(state)


@register.inclusion_tag("sessions_app/pages/_confirm_button.html")
def confirm_button(url_name: str, label: str, pk: int, refused: str = "", style: str = "") -> dict[str, str]:
    """Show a link to a confirmation page, which HTMX shows in the dialog.

    With a reason in `refused` the link is disabled and shows the reason.
    """
    return {"url": reverse(url_name, args=[pk]), "label": label, "refused": refused, "style": style}
