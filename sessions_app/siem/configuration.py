"""The list of destinations, and the pages on which administrators add, change and delete them."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from activity.listing import Card, Column, Table, badge, link, list_response, short_time
from activity.viewer import viewer
from sessions_app.configuration.views import Configuration
from sessions_app.help.hints import help_hint
from sessions_app.roles import is_administrator
from sessions_app.siem.forms import DestinationForm
from sessions_app.siem.models import DeliveryState, Destination

WHAT_GOES_THERE = "Places that get every entry of the activity log: a SIEM, a syslog server, a webhook."


class DestinationConfiguration(Configuration):
    """Manages the destinations."""

    model = Destination
    form = DestinationForm
    name = "siem_destination"
    list_name = "siem"
    instead = "Pause it instead."
    parts = (DeliveryState,)
    ends_sessions = False
    template = "sessions_app/siem/destination_form.html"

    def visible(self, person: AbstractUser) -> QuerySet[Any]:
        """Return the destinations: all for administrators, none for others."""
        return Destination.objects.all() if is_administrator(person) else Destination.objects.none()

    def said(self, thing: Model, *, is_new: bool) -> list[tuple[str, str]]:
        """Return what was saved, and for a new destination what to do next."""
        lines = super().said(thing, is_new=is_new)
        return [*lines, ("info", "Send a test message to see whether it arrives.")] if is_new else lines


DESTINATIONS = DestinationConfiguration()


def state_badge(destination: Destination) -> str:
    """Return the badge that says how the delivery is."""
    if not destination.is_active:
        return badge("neutral", "Paused", "hourglass")
    if destination.state.silent_since is not None:
        return badge("error", "Silent", "error")
    if destination.state.attempts:
        return badge("warning", "Fails", "warning")
    return badge("success", "Delivers", "check")


TABLE = Table(
    name="siem",
    columns=(
        Column("destination", "Destination", "name", 220, lambda row: link(row.get_absolute_url(), row.name)),
        Column("place", "Where", "", 280, lambda row: row.place, csv=lambda row: row.place),
        Column("delivery", "Delivery", "transport", 220, lambda row: row.get_transport_display()),
        Column("format", "Format", "format", 200, lambda row: row.get_format_display()),
        Column("state", "State", "state__attempts", 120, state_badge, sort=""),
        Column(
            "delivered_at", "Last delivery", "state__delivered_at", 150, lambda row: short_time(row.state.delivered_at)
        ),
    ),
    default_sort="destination",
    noun="destination",
    nouns="destinations",
    search=("name", "host", "url"),
    empty_text=help_hint(WHAT_GOES_THERE, "evidence", "to-the-siem", "How to connect a SIEM"),
    opens="destination",
    card=Card("destination", text="place", note="state"),
    grows=("destination", "place"),
    flexible=("place", "destination"),
)


@require_safe
def siem(request: HttpRequest) -> HttpResponseBase:
    """Show the destinations to administrators."""
    if not is_administrator(viewer(request)):
        raise PermissionDenied("Only administrators see where the log is sent.")
    table = dataclasses.replace(TABLE, add_link=DESTINATIONS.add_link(request))
    rows = Destination.objects.select_related("state")
    context = {"heading": "SIEM destinations"}
    return list_response(request, table, rows, "sessions_app/configuration/list.html", context=context)
