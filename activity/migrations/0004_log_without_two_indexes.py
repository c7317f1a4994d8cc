"""Every order of the log by actor and by user begins with that very column: the indexes that Django makes for foreign
keys were written with each entry and never read.

In SQL, because Django would build the table anew on SQLite, which forgets the triggers that guard it.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

NAMES = {"actor": "activity_logentry_actor_id_75597e18", "user": "activity_logentry_user_id_6c92f534"}


def without_index(column: str) -> migrations.SeparateDatabaseAndState:
    """The field `column` without an index of its own."""
    field = models.ForeignKey(
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )
    name = NAMES[column]
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f'DROP INDEX IF EXISTS "{name}"',
                f'CREATE INDEX "{name}" ON "activity_logentry" ("{column}_id")',
            )
        ],
        state_operations=[migrations.AlterField("logentry", column, field)],
    )


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0003_log_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [without_index("actor"), without_index("user")]
