"""The port from which a gateway reaches the host, so that what a gateway shows on a terminal is not shown twice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0015_index_of_summary")]

    operations = [
        migrations.AddField(
            model_name="gatewayconnection",
            name="host_port",
            field=models.PositiveIntegerField(null=True),
        ),
    ]
