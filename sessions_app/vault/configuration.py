"""The list of secrets, and the pages on which administrators add, replace and delete them. No content is shown."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_safe

from activity.listing import Card, Column, Table, link, list_response, short_time
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.configuration.views import Configuration
from sessions_app.help.hints import help_hint
from sessions_app.roles import sees_everything
from sessions_app.vault.forms import SecretConfigurationForm
from sessions_app.vault.models import Secret

WHAT_GOES_THERE = "Passwords, keys and files that people see during a session on a vault. The content is encrypted."


class SecretConfiguration(Configuration):
    """Manages the secrets of the vaults."""

    model = Secret
    form = SecretConfigurationForm
    name = "secret"
    list_name = "secrets"
    ends_sessions = False

    def initial(self, request: HttpRequest) -> dict[str, Any]:
        """Return the vault that the address names."""
        return {"resource": typed(request.GET, "vault")}

    def context(self, request: HttpRequest, form: ConfigurationForm) -> dict[str, Any]:
        """Return the address of the button that deletes the secret."""
        return {} if form.instance.pk is None else {"links": self.links(request, form.instance)}

    def page_of(self, thing: Any) -> str:
        """Return the address of the list: a secret has no page of its own."""
        return reverse(self.list_name)


SECRETS = SecretConfiguration()


def _vault(row: Secret) -> str:
    return link(row.resource.get_absolute_url(), row.resource)


TABLE = Table(
    name="secrets",
    columns=(
        Column("secret", "Secret", "name", 240),
        Column("vault", "Vault", "resource__name", 200, _vault),
        Column("description", "Description", "description", 320, sort=""),
        Column("updated_at", "Content changed", "updated_at", 150, lambda row: short_time(row.updated_at)),
        Column("updated_by", "Changed by", "updated_by__username", 150),
    ),
    default_sort="secret",
    noun="secret",
    nouns="secrets",
    search=("name", "description", "resource__name"),
    empty_text=help_hint(WHAT_GOES_THERE, "vault", "set-one-up", "How to set up a vault"),
    opens="secret",
    card=Card("secret", text="vault", note="updated_at"),
    grows=("secret", "vault", "updated_by"),
    flexible=("description", "secret"),
)


@require_safe
def secrets(request: HttpRequest) -> HttpResponseBase:
    """Show names and descriptions of all secrets; administrators are led to the forms."""
    if not sees_everything(viewer(request)):
        raise PermissionDenied("Only administrators and auditors see the list of secrets.")
    table = SECRETS.list_table(request, TABLE, lambda row: row.name)
    rows = Secret.objects.select_related("resource", "updated_by")
    context = {"heading": "Secrets"}
    return list_response(request, table, rows, "sessions_app/configuration/list.html", context=context)
