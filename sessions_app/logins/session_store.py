"""Django's session engine of the database, whose one question at each request is a statement that is kept.

Set as SESSION_ENGINE for SESSION_STORE=db. Rows, keys and what is in them are Django's own, so that both engines read
what the other wrote. Knows nothing of login sessions.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from activity.compiled_query import Prepared


@functools.cache
def _unexpired() -> Prepared:
    """The session of a key, unless it has expired."""

    def build(key: str, now: dt.datetime) -> QuerySet[Session, Any]:
        found = Session.objects.filter(session_key=key, expire_date__gt=now)
        return found.values_list("session_key", "session_data", "expire_date")

    return Prepared(Session, build, key=str, now=dt.datetime)


class SessionStore(db.SessionStore):
    """As Django's (the engine's class has to have this name)."""

    def _get_session_from_db(self) -> Session | None:
        """The row; without one the key is forgotten, as Django does, so that nobody chooses a key of their own."""
        _, rows = _unexpired().rows(key=self.session_key or "", now=timezone.now())
        if not rows:
            self._session_key = None
            return None
        key, data, expires = rows[0]
        return Session(session_key=key, session_data=data, expire_date=expires)
