"""The list of service keys, and the pages on which administrators add, rename and delete them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model, OuterRef
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_safe

from activity.listing import Card, Column, Table, list_response, short_time
from activity.viewer import viewer
from sessions_app.catalogue.models import Resource
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.configuration.views import Configuration
from sessions_app.help.hints import help_hint
from sessions_app.hosts.models import ServiceKey
from sessions_app.hosts.service_key_forms import ServiceKeyConfigurationForm
from sessions_app.roles import sees_everything
from sessions_app.row_counts import count_of

WHAT_GOES_THERE = "Key pairs by which SessionAdmin logs in to hosts that do not trust its certificate authority."


class ServiceKeyConfiguration(Configuration):
    """Manages stored key pairs. The page of a pair is its form, which shows the public key."""

    model = ServiceKey
    form = ServiceKeyConfigurationForm
    name = "service_key"
    list_name = "service_keys"
    instead = "Choose another key for them first."
    ends_sessions = False
    template = "sessions_app/hosts/service_key_form.html"

    def page_of(self, thing: Any) -> str:
        """Return the address of the form, which shows the public key to copy."""
        return reverse("service_key_change", args=[thing.pk])

    def context(self, request: HttpRequest, form: ConfigurationForm) -> dict[str, Any]:
        """Return the stored key, and how many resources use it."""
        if form.instance.pk is None:
            return {}
        stored = ServiceKey.objects.get(pk=form.instance.pk)
        return {"stored": stored, "links": self.links(request, stored), "uses": stored.resources.count()}

    def said(self, thing: Model, *, is_new: bool) -> list[tuple[str, str]]:
        """Return what was saved, and for a new key what to do with it."""
        lines = super().said(thing, is_new=is_new)
        if is_new:
            lines.append(("info", "Add the public key below to the service account's authorized_keys on each host."))
        return lines


SERVICE_KEYS = ServiceKeyConfiguration()


TABLE = Table(
    name="service-keys",
    columns=(
        Column("service_key", "Service key", "name", 240),
        Column("fingerprint", "Fingerprint", "fingerprint", 440),
        Column("created_at", "Created", "created_at", 150, lambda row: short_time(row.created_at)),
        Column("resources", "Resources", "resource_count", 120, is_number=True),
    ),
    default_sort="service_key",
    noun="service key",
    nouns="service keys",
    search=("name", "fingerprint"),
    empty_text=help_hint(WHAT_GOES_THERE, "how-to/keys", "stored-service-key", "How to change such a key"),
    opens="service_key",
    card=Card("service_key", text="fingerprint"),
    grows=("service_key",),
    flexible=("fingerprint", "service_key"),
)


@require_safe
def service_keys(request: HttpRequest) -> HttpResponseBase:
    """Show the stored key pairs; administrators are led to the forms."""
    if not sees_everything(viewer(request)):
        raise PermissionDenied("Only administrators and auditors see the service keys.")
    table = SERVICE_KEYS.list_table(request, TABLE, lambda row: row.name)
    used = Resource.objects.filter(service_key=OuterRef("pk"))
    rows = ServiceKey.objects.annotate(resource_count=count_of(used, "service_key"))
    context = {"heading": "Service keys"}
    return list_response(request, table, rows, "sessions_app/configuration/list.html", context=context)
