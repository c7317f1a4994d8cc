"""Keys of SSH: the certificate authority's, SessionAdmin's own, and people's."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import sessions_app.sealing


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0004_ssh_hosts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ServiceKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60, unique=True)),
                ("public_key", models.TextField(editable=False)),
                ("fingerprint", models.CharField(editable=False, max_length=60, unique=True)),
                ("private_key", sessions_app.sealing.SealedField(editable=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="CertificateAuthority",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[("next", "Next"), ("active", "Active"), ("retired", "Retired")], max_length=10
                    ),
                ),
                ("public_key", models.TextField()),
                ("fingerprint", models.CharField(max_length=60, unique=True)),
                ("private_key", sessions_app.sealing.SealedField(blank=True, editable=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("retired_at", models.DateTimeField(null=True)),
                ("trusted_until", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "certificate authorities",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["active", "next"])),
                        fields=("state",),
                        name="authority_one_active_one_next",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("private_key", ""),
                                ("retired_at__isnull", False),
                                ("state", "retired"),
                                ("trusted_until__isnull", False),
                            ),
                            models.Q(
                                models.Q(("state", "retired"), _negated=True),
                                ("retired_at", None),
                                models.Q(("private_key", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="authority_retired_keeps_no_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="UserKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=80)),
                ("public_key", models.TextField()),
                ("kind", models.CharField(max_length=40)),
                ("fingerprint", models.CharField(max_length=60, unique=True)),
                ("added_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_used_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ssh_keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["added_at", "pk"],
                "default_permissions": ("view",),
            },
        ),
    ]
