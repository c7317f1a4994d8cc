"""The entry about deleted entries keeps its time as a value, as other messages do (activity/times_in_text.py)."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from activity import append_only


def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.renew(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("activity", "0002_append_only_triggers")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
