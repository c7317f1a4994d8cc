"""A database that was made before version 0.1: `migrate` refuses it in a sentence and changes nothing."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from sessions_app.management.trial_data import SINCE_FIRST_VERSION, refuse_trial_data


@pytest.mark.django_db
def test_migrations_that_are_gone_are_refused_with_what_to_delete() -> None:
    recorder = MigrationRecorder(connection)
    for app, name in recorder.applied_migrations():
        if app == SINCE_FIRST_VERSION[0] and name >= SINCE_FIRST_VERSION[1]:
            recorder.record_unapplied(app, name)
    recorder.record_applied("activity", "0003_log_indexes")
    before = recorder.applied_migrations().keys()
    with pytest.raises(CommandError) as refused:
        call_command("migrate", verbosity=0)
    said = str(refused.value)
    assert "trial before version 0.1" in said
    assert "nothing was changed" in said
    assert "the folder" in said
    if connection.vendor == "postgresql":
        assert f"delete the database {connection.settings_dict['NAME']} and the folder" in said
    assert recorder.applied_migrations().keys() == before


@pytest.mark.django_db
def test_a_new_database_one_of_this_version_and_one_of_a_newer_version_are_not_of_a_trial() -> None:
    recorder = MigrationRecorder(connection)
    refuse_trial_data("default")
    recorder.record_applied("sessions_app", "9999_from_the_future")
    refuse_trial_data("default")
    recorder.migration_qs.all().delete()
    refuse_trial_data("default")


@pytest.mark.django_db
def test_a_first_migrate_that_broke_off_goes_on() -> None:
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app="sessions_app").delete()
    assert any(app == "activity" for app, name in recorder.applied_migrations())
    refuse_trial_data("default")
