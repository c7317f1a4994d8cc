"""Every entry has an outcome, also the earlier ones, as their verbs say.

No database writes the table anew: the new column has a constant default. Only the entries of the verbs below are
changed, which the index of verbs finds. The triggers that refuse changes are away meanwhile, and an entry says what was
done. Those that come back are the ones that were there, because those of today name columns of 0011_erase_requests.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState, StateApps

from activity import append_only

# As they were when this was written: later verbs have no earlier entries.
VERBS = {
    "failure": (
        "login.failed",
        "factor.failed",
        "session.approval_failed",
        "session.failed",
        "worker.problem",
        "mail.failed",
    ),
    "denied": ("login.throttled", "scim.refused", "session.denied", "ticket.refused", "connection.refused"),
}


class AddField(migrations.AddField):
    """Add the column to the table as it is. On SQLite, Django would write a new table, without the triggers."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Add the column."""
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        schema_editor.execute(
            f"ALTER TABLE {append_only.LOG} ADD COLUMN outcome varchar(10) DEFAULT 'success' NOT NULL"
        )


def correct(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the entries about failures and refusals their outcome, and write an entry that says so."""
    entries = apps.get_model("activity", "LogEntry")._default_manager.using(schema_editor.connection.alias)
    with append_only.without_triggers(schema_editor.connection):
        counts = {
            outcome: sum(entries.filter(verb=verb).update(outcome=outcome) for verb in verbs)
            for outcome, verbs in VERBS.items()
        }
    if any(counts.values()):
        entries.create(
            verb="log.upgraded",
            message=(
                f"Entries have an outcome now: {counts['failure']:,} earlier ones became Failure and "
                f"{counts['denied']:,} Denied, as their verbs say; all others are Success. Nothing else was changed."
            ),
            details={"outcomes": counts, "verbs": VERBS},
        )


class Migration(migrations.Migration):
    dependencies = [("activity", "0006_sealed_log")]

    operations = [
        AddField(
            model_name="logentry",
            name="outcome",
            field=models.CharField(
                choices=[("success", "Success"), ("failure", "Failure"), ("denied", "Denied")],
                db_default="success",
                default="success",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="logentry",
            index=models.Index(
                condition=models.Q(("outcome", "success"), _negated=True),
                fields=["at", "id", "outcome"],
                name="log_refused",
            ),
        ),
        # Last, because PostgreSQL makes no index on a table whose new rows have constraints that are not checked yet.
        migrations.RunPython(correct, migrations.RunPython.noop),
    ]
