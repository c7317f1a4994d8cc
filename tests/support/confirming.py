"""What a test needs where a deed asks for a fresh factor: time that has passed since the last one."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from sessions_app.logins.models import LoginSession


def let_time_pass(minutes: int = 6) -> None:
    """Let the last factor of every login be that long ago."""
    LoginSession.objects.update(confirmed_at=timezone.now() - dt.timedelta(minutes=minutes))
