"""Settings of a console whose web server loses its patience soon, for tests that wait until it does."""

from sessionadmin.settings.development import *
from sessions_app.serving import bodies, connection

connection.HEAD_WITHIN = 1.0
connection.IDLE_SECONDS = 1.0
connection.READ_WITHIN = 1.5
bodies.RATE_GRACE_SECONDS = 1.0
