"""Tell a browser at the login page why an administrator, a login rule or its provider ended its login session.

Only that browser is told: it still has the key of the session that was ended, which nobody can guess, and loses it with
its next login. Somebody without such a key learns nothing, not even whether an account exists.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from django.contrib.auth import get_user_model
from django.db.models import F
from django.utils import timezone

from activity.listing import exact_time
from sessions_app.logins import backend
from sessions_app.logins.models import EndReason, LoginSession, LogoutNote, hash_session_key

BY_RULE = (EndReason.NETWORKS, EndReason.HOURS, EndReason.TOO_MANY)
TOLD = (EndReason.FORCED, EndReason.LOCKED, EndReason.PROVIDER, *BY_RULE)
PROVIDER = "Your provider of single sign-on"  # where the login names none
TOLD_FOR = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Farewell:
    """When this browser was logged out, by whom (empty: by a login rule), and the reason, if one was given.

    `is_by_provider` says that `by` is the name of a provider of single sign-on.
    """

    at: dt.datetime
    by: str
    note: str
    is_by_provider: bool = False

    @property
    def text(self) -> str:
        """Return the sentence for the person, with the time in the zone of the browser."""
        if self.is_by_provider:
            return f"{self.by} ended your login at {exact_time(self.at)}."
        if not self.by:
            return f"You were logged out at {exact_time(self.at)}. {self.note}".strip()
        return f"{self.by} logged you out at {exact_time(self.at)}{f': {self.note}' if self.note else ''}."


def farewell() -> Farewell | None:
    """Return why the browser of the running request was logged out; None where nobody did it of late."""
    here = backend.request_login.get()
    if here is None or not here.session_key or here.login is not None:
        return None
    name = F(f"ended_by__{get_user_model().USERNAME_FIELD}")
    ended = LoginSession.objects.filter(
        key_hash=hash_session_key(here.session_key), end_reason__in=TOLD, ended_at__gt=timezone.now() - TOLD_FOR
    )
    for pk, at, by, reason, provider in ended.values_list("pk", "ended_at", name, "end_reason", "provider"):
        if reason == EndReason.PROVIDER:
            return Farewell(at, provider or PROVIDER, "", is_by_provider=True)
        note = LogoutNote.objects.filter(login=pk).values_list("text", flat=True).first()
        return Farewell(at, by or ("" if reason in BY_RULE else "the system"), note or "")
    return None
