"""The index of the summary begins with the user, so that nothing is sorted to group sessions by their users."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0016_gateway_host_port"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(model_name="privilegedsession", name="session_summary"),
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["user", "start_at", "duration"], name="session_summary"),
        ),
    ]
