"""The database itself deletes old entries, and writes down that it did (activity/append_only.py)."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from activity import append_only


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.remove(schema_editor.connection)


def install_first(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.install(schema_editor.connection)


def renew(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.renew(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("activity", "0004_log_without_two_indexes")]

    operations = [
        # Without triggers meanwhile: SQLite builds the table of the door anew, which they name.
        migrations.RunPython(remove, install_first),
        migrations.AddField("prunedoor", "export", models.CharField(blank=True, default="", max_length=255), False),
        migrations.RunPython(renew, remove),
    ]
