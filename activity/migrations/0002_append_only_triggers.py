"""The database itself refuses to change the log, and writes down what it deletes (activity/append_only.py).

The triggers name columns that later migrations add, which SQLite refuses, so 0011_erase_requests makes them.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from activity import append_only


def backwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("activity", "0001_initial")]
    operations = [migrations.RunPython(migrations.RunPython.noop, backwards)]
