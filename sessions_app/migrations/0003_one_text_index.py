"""Remove the index that recordings had of their own, from before they used that of all searches."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

OLD = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS recording_text_added",
        "DROP TRIGGER IF EXISTS recording_text_removed",
        "DROP TRIGGER IF EXISTS recording_text_changed",
        "DROP TABLE IF EXISTS sessions_app_recordingtext_fts",
    ),
    "postgresql": ("DROP INDEX IF EXISTS recording_text_search",),
}


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in OLD[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0002_search_index_of_recordings")]
    operations = [migrations.RunPython(remove, migrations.RunPython.noop)]
