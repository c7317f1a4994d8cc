"""What administrators add, change and delete in the catalogue. The forms are in sessions_app/catalogue/."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import Model, QuerySet

from sessions_app.catalogue.models import Resource
from sessions_app.catalogue.resource_forms import ResourceForm
from sessions_app.configuration.views import Configuration
from sessions_app.pages.catalogue import tables


class ResourceConfiguration(Configuration):
    """Manages hosts and vaults."""

    model = Resource
    form = ResourceForm
    name = "resource"
    list_name = "resources"

    def visible(self, person: AbstractUser) -> QuerySet[Any]:
        """Return the resources that the person may see."""
        return tables.visible_resources(person)

    def said(self, thing: Model, *, is_new: bool) -> list[tuple[str, str]]:
        """Return what was saved, and for a host what to do next."""
        lines = super().said(thing, is_new=is_new)
        if isinstance(thing, Resource) and thing.capabilities.is_host:
            lines.append(("info", "Test the connection now: the button is on this page."))
        return lines


RESOURCES = ResourceConfiguration()
