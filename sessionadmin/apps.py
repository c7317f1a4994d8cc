"""Set the admin site of the project, and what each migrate makes beside the tables of the models."""

from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

from sessionadmin import cache, replica


class ConsoleAdminConfig(AdminConfig):
    """Makes ConsoleAdminSite the admin."""

    default_site = "sessionadmin.admin_site.ConsoleAdminSite"

    def ready(self) -> None:
        """Connect the signal handlers and the reader of lists, without touching the database."""
        from activity.listing.read_routing import provide_reader  # noqa: PLC0415 - models are not loaded before ready()

        super().ready()
        provide_reader(replica.where_to_read, replica.gauge.failed)
        post_migrate.connect(cache.make_table, sender=self)
