"""The signed link of a mail: it names one login, and is good for 24 hours.

It stands in the mail alone. Its page is not cached, sends no address of itself to other servers, and our own logs leave
it out (sessionadmin/logs.py).
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core import signing
from django.urls import reverse

from sessions_app.logins.models import LoginSession

SALT = "sessions_app.not_me.link"
GOOD_FOR = dt.timedelta(hours=24)


def link_for(login: LoginSession) -> str:
    """Return the full address for a mail to the person of this login."""
    return f"{settings.SITE_URL}{reverse('not_me', args=[signing.dumps(login.pk, salt=SALT)])}"


def login_of(signed: str) -> LoginSession | None:
    """Return the login that a link names; None if the link is not ours or its time is over."""
    try:
        number = signing.loads(signed, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        return None
    return LoginSession.objects.filter(pk=number).select_related("user").first()
