"""Which admin site the project uses."""

from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Makes ConsoleAdminSite the admin."""

    default_site = "sessionadmin.admin_site.ConsoleAdminSite"
