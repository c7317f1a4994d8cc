from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0011_gateway"),
    ]

    operations = [
        migrations.CreateModel(
            name="HostWatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("began_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("problem", models.CharField(blank=True, max_length=300)),
                ("found", models.JSONField(default=dict)),
                (
                    "resource",
                    models.OneToOneField(
                        on_delete=models.deletion.CASCADE, related_name="watch", to="sessions_app.resource"
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
    ]
