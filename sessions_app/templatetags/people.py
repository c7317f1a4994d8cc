"""Tags for times, durations, badges, and buttons that open a confirmation."""

import datetime as dt

from django import template
from django.urls import reverse
from django.utils.html import format_html
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


@register.simple_tag
def confirm_button(url_name: str, label: str, pk: int, refused: str = "", style: str = "") -> SafeString:
    """Return a link to a confirmation page, which HTMX shows in the dialog.

    With a reason in `refused` the link is disabled and shows the reason.
    """
    css = f"button {style}".strip()
    if refused:
        return format_html(
            '<a class="{}" role="link" aria-disabled="true" title="{}">{}</a><span class="visually-hidden">{}</span>',
            css,
            refused,
            label,
            refused,
        )
    url = reverse(url_name, args=[pk])
    return format_html(
        '<a class="{}" href="{}" hx-get="{}" hx-target="#dialog" hx-swap="innerHTML" hx-push-url="false">{}</a>',
        css,
        url,
        url,
        label,
    )
