"""The summary of a period is counted from an index alone."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0014_recordings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["start_at", "user", "duration"], name="session_summary"),
        ),
    ]
