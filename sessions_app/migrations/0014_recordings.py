"""What closing a recording needs, and the index behind the search across recordings."""

from typing import Any

from django.db import migrations, models

import sessions_app.sealing
from sessions_app.gateway.recordings import search_index


def install(apps: Any, editor: Any) -> None:
    search_index.install(editor.connection)


def remove(apps: Any, editor: Any) -> None:
    search_index.remove(editor.connection)


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0013_list_indexes")]

    operations = [
        migrations.AddField(
            "recording", "input_key", sessions_app.sealing.SealedField(blank=True, default="", editable=False)
        ),
        migrations.AddField("recording", "written_at", models.DateTimeField(null=True)),
        migrations.AddField("recording", "closing_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "recording",
            models.Index(condition=models.Q(("ended_at", None)), fields=["connection"], name="recording_running"),
        ),
        migrations.RunPython(install, remove),
    ]
