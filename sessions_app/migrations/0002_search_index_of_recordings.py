"""The index behind the search across recordings (sessions_app/gateway/recordings/search_index.py)."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from sessions_app.gateway.recordings import search_index


def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    search_index.install(schema_editor.connection)


def backwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    search_index.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
