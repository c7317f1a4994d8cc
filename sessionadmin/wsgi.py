"""What granian (or any WSGI server) serves."""

import os

from django.core.wsgi import get_wsgi_application

from sessions_app.logins.device import load_patterns

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionadmin.settings.production")
application = get_wsgi_application()
load_patterns()  # before the first person logs in
