"""Entries that went wrong, and entries by what was done, have indexes of their own."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0002_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="logentry",
            index=models.Index(fields=["verb", "at"], name="log_verb"),
        ),
        migrations.AddIndex(
            model_name="logentry",
            index=models.Index(
                condition=models.Q(("level__gte", 30)), fields=["at", "id", "level"], name="log_problems"
            ),
        ),
        migrations.AddIndex(
            model_name="logentry",
            index=models.Index(condition=models.Q(("user", None)), fields=["user_name", "at", "id"], name="log_nobody"),
        ),
    ]
