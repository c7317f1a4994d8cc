"""Does nothing any more: the index of the search across recordings is made after migrate (activity/text_index.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0001_initial")]
    operations = []
