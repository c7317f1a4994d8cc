"""The database erases the personal data of an entry when it is asked to, and in no other way (append_only.py)."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from activity import append_only


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.remove(schema_editor.connection)  # SQLite makes the table anew, which triggers may not name meanwhile


def renew(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    append_only.renew(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("activity", "0010_sealed_statements")]

    operations = [
        migrations.RunPython(remove, migrations.RunPython.noop),
        migrations.AddField("prunerequest", "entry_id", models.BigIntegerField(null=True)),
        migrations.AddField("prunerequest", "reason", models.CharField(blank=True, db_default="", max_length=500)),
        migrations.AlterField("prunerequest", "before", models.DateTimeField(null=True)),
        migrations.RunPython(renew, migrations.RunPython.noop),
    ]
