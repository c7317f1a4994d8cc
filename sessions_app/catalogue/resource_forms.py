"""The form of a resource, which asks what its platform and its connector need."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms

from sessions_app.catalogue.connectors import CONNECTORS, capabilities_of, offered_connectors
from sessions_app.catalogue.models import Platform, Resource, ServiceAuth
from sessions_app.configuration.forms import ConfigurationForm

OF_A_PLACE = ("address", "port")
OF_A_HOST = ("service_account", "service_auth", "service_key", "host_key")


class ResourceForm(ConfigurationForm):
    """The form of a resource: a vault has no address, and a practice host no service account."""

    help = ("hosts", "prepare-a-host-in-five-minutes", "How to prepare a host")
    connector = forms.ChoiceField(help_text=Resource._meta.get_field("connector").help_text)
    sections = (
        ("Where it is", OF_A_PLACE),
        ("How SessionAdmin logs in", OF_A_HOST),
    )
    choices_that_ask = ("platform", "connector", "service_auth")

    connectors: list[str]  # those of the platform

    class Meta:
        model = Resource
        fields = ("name", "platform", "connector", "description", "is_active", *OF_A_PLACE, *OF_A_HOST)
        widgets = {
            "description": forms.Textarea(attrs={"rows": 2}),
            "host_key": forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        }

    def unneeded(self) -> Collection[str]:
        """Return the fields that this platform and this connector do not need."""
        field = self.fields["connector"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        names = connectors_for(str(self.value("platform")), self.instance.connector if self.instance.pk else "")
        self.connectors = names
        field.choices = [(name, _label(name)) for name in names]
        if self.value("connector") not in names and names and not (self.is_bound and not self.is_unfinished):
            self._begin_with_connector(names[0])
        connector = self.value("connector") if len(names) > 1 else (*names, "")[0]
        found = {"connector"} if len(names) == 1 else set()
        able = capabilities_of(str(connector))
        if able.is_vault:
            found |= {*OF_A_PLACE, *OF_A_HOST}
        elif not able.is_host:
            found |= {*OF_A_HOST}
        elif self.value("service_auth") != ServiceAuth.KEY:
            found |= {"service_key"}
        return found

    def clean(self) -> dict[str, Any] | None:
        """Set the connector where the platform has only one."""
        values = super().clean()
        if "connector" in self.kept:
            self.instance.connector = self.connectors[0]
        return values

    def _begin_with_connector(self, name: str) -> None:
        """Choose a connector of the platform that was chosen, before the form is shown again."""
        if self.is_bound:
            sent = self.data.copy()
            sent["connector"] = name
            self.data = sent
        else:
            self.initial["connector"] = name


def connectors_for(platform: str, current: str) -> list[str]:
    """Return the names of the connectors for a platform, those of real hosts first, then those for practice."""
    wants_vault = platform == Platform.VAULT
    names = [name for name in offered_connectors(current) if CONNECTORS[name].is_vault == wants_vault]
    return sorted(names, key=lambda name: (CONNECTORS[name].is_practice, not CONNECTORS[name].is_host, name))


def _label(name: str) -> str:
    words = CONNECTORS[name].words
    return f"{name}: {words}" if words else name
