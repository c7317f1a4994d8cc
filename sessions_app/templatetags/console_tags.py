"""Tags for times, durations, badges, buttons that open a confirmation, and the style sheets of a page."""

import datetime as dt
import functools

from django import template
from django.contrib.messages.storage.base import Message
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from activity.listing import exact_time, relative_time, short_time, span_of_time
from sessions_app.configuration.durations import write_duration
from sessions_app.gateway.vendor import vendor_url
from sessions_app.outcome import Undo
from sessions_app.pages import main_menu
from sessions_app.pages.people.tables import state_badge

register = template.Library()


@register.filter(name="short_time")
def short_time_filter(value: dt.datetime | None) -> str:
    """Return a time in the viewer's zone, without the date if it is today's; a dash for None."""
    return short_time(value)


@register.filter(name="exact_time")
def exact_time_filter(value: dt.datetime) -> str:
    """Return the time in full in the viewer's zone, with the date even if it is today's, and with the zone."""
    return exact_time(value)


@register.filter(name="relative_time")
def relative_time_filter(value: dt.datetime | None, element_id: str = "") -> SafeString:
    """Return a time counted from now, such as "in 23 min"; hover and focus show the exact time. A dash for None."""
    return relative_time(value, element_id)


@register.filter
def thousands(value: int) -> str:
    """Return a number with commas, such as 20,935."""
    return f"{value:,}"


@register.simple_tag
def span(value: dt.timedelta | None) -> str:
    """Return a duration in words."""
    return span_of_time(value)


@register.filter
def as_typed(value: dt.timedelta) -> str:
    """Return a duration as somebody would type it, such as "2 h 30 min", without zeros."""
    return write_duration(value)


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


@register.simple_tag
@functools.cache
def head_files() -> SafeString:
    """Return the links to the icon, the style sheets and, if it is installed, the typeface.

    They are the same for everybody, and written once: a dozen addresses cost each page 0.1 ms otherwise.
    """
    return _links("_head_files.html")


@register.simple_tag
@functools.cache
def frame_files() -> SafeString:
    """Return the same for Django's administration: only what the frame needs."""
    return _links("_frame_files.html")


def _links(template: str) -> SafeString:
    files = {"typeface": vendor_url("inter.css"), "typeface_file": vendor_url("inter-latin-wght-normal.woff2")}
    return SafeString(render_to_string(template, files))  # safe: a template escapes


@register.simple_tag
def common_links() -> SafeString:
    """Return the links that every logged-in person has, for a page that knows nothing about the request."""
    return main_menu.links("", frozenset({main_menu.EVERYBODY}))


@register.inclusion_tag("sessions_app/_toast.html", takes_context=True)
def toast(context: template.Context, message: Message) -> dict[str, object]:
    """Show one message, with a button to take back what it tells, where there is one."""
    request = context["request"]
    return {
        "level": message.level_tag,
        "text": message.message,
        "undo": Undo.read(message.extra_tags),
        "csrf_token": get_token(request) if message.extra_tags else "",
        "here": request.get_full_path(),
    }
