"""Which admin site the project uses, and what each migrate makes beside the tables of the models."""

from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

from sessionadmin import cache


class ConsoleAdminConfig(AdminConfig):
    """Makes ConsoleAdminSite the admin."""

    default_site = "sessionadmin.admin_site.ConsoleAdminSite"

    def ready(self) -> None:
        """Connect what listens; nothing here touches the database."""
        super().ready()
        post_migrate.connect(cache.make_table, sender=self)
