"""The WSGI application that `sessionadmin serve` (or any WSGI server) serves."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from activity.time_limits import limit_pages
from sessionadmin.turns import in_turns
from sessions_app.logins.device import load_patterns

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionadmin.settings.production")
application = in_turns(get_wsgi_application())
limit_pages()
load_patterns()  # before the first person logs in
get_resolver().url_patterns  # noqa: B018 - loads all views, before the first page
# All that is loaded now stays in memory anyway. If the garbage collector looked through it again and again, it would
# delay pages by 50 ms.
gc.collect()
gc.freeze()
