"""This once renewed the triggers that make the log append-only; 0011_erase_requests does it now."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("activity", "0002_append_only_triggers")]
    operations: list[migrations.RunPython] = []
