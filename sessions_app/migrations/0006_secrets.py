"""Secrets that vaults keep, sealed."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import sessions_app.sealing


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0005_ssh_keys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Secret",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="The log names the secret by it, so it must not be secret.", max_length=120
                    ),
                ),
                (
                    "description",
                    models.CharField(
                        blank=True, help_text="What it opens. Shown beside the name, and not sealed.", max_length=300
                    ),
                ),
                ("sealed", sessions_app.sealing.SealedField(editable=False, verbose_name="content")),
                (
                    "updated_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="content set"),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        limit_choices_to={"platform": "vault"},
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="secrets",
                        to="sessions_app.resource",
                        verbose_name="vault",
                    ),
                ),
                (
                    "updated_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="set by",
                    ),
                ),
            ],
            options={
                "ordering": ["resource", "name"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("resource", "name"),
                        name="secret_name_once",
                        violation_error_message="This vault has a secret of that name already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("sealed", ""), _negated=True), name="secret_has_content"
                    ),
                ],
            },
        ),
    ]
