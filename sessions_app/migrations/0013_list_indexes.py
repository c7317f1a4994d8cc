"""Each column of the lists of sessions and logins has an index in its order."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0012_host_watch"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="privilegedsession",
            name="session_ended",
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["user_name", "id"], name="login_user_name"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["ip", "id"], name="login_ip"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["city", "id"], name="login_city"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["country", "id"], name="login_country"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["device", "id"], name="login_device"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["os", "id"], name="login_os"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["browser", "id"], name="login_browser"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["created_at", "id"], name="login_created"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False)), fields=["ended_at", "id"], name="login_ended"
            ),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(fields=["end_reason", "id"], name="login_end_reason"),
        ),
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["login_account", "id"], name="session_account"),
        ),
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["status", "id"], name="session_status"),
        ),
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["activity_name", "id"], name="session_activity_name"),
        ),
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["duration", "id"], name="session_duration"),
        ),
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["ticket", "id"], name="session_ticket"),
        ),
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["scheduled_for", "id"], name="session_scheduled"),
        ),
        migrations.AddIndex(
            model_name="privilegedsession",
            index=models.Index(fields=["ended_at", "id"], name="session_ended_at"),
        ),
        migrations.RenameIndex(
            model_name="loginsession",
            new_name="login_live_last_access",
            old_name="login_live",
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(
                condition=models.Q(("ended_at", None)), fields=["user_name", "id"], name="login_live_user_name"
            ),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(condition=models.Q(("ended_at", None)), fields=["ip", "id"], name="login_live_ip"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(condition=models.Q(("ended_at", None)), fields=["city", "id"], name="login_live_city"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(
                condition=models.Q(("ended_at", None)), fields=["country", "id"], name="login_live_country"
            ),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(
                condition=models.Q(("ended_at", None)), fields=["device", "id"], name="login_live_device"
            ),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(condition=models.Q(("ended_at", None)), fields=["os", "id"], name="login_live_os"),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(
                condition=models.Q(("ended_at", None)), fields=["browser", "id"], name="login_live_browser"
            ),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(
                condition=models.Q(("ended_at", None)), fields=["created_at", "id"], name="login_live_created"
            ),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(
                condition=models.Q(("ended_at", None)), fields=["end_reason", "id"], name="login_live_end_reason"
            ),
        ),
        migrations.AddIndex(
            model_name="loginsession",
            index=models.Index(condition=models.Q(("ended_at", None)), fields=["id"], name="login_live_number"),
        ),
    ]
