"""Django's session engine of the database, with a compiled statement for the query that each request makes.

It is the SESSION_ENGINE for SESSION_STORE=db. Rows, keys and content are Django's own, so that both engines can read
what the other one wrote.
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
    """Return the statement that selects the session of a key unless it has expired."""

    def build(key: str, now: dt.datetime) -> QuerySet[Session, Any]:
        found = Session.objects.filter(session_key=key, expire_date__gt=now)
        return found.values_list("session_key", "session_data", "expire_date")

    return Prepared(Session, build, key=str, now=dt.datetime)


class SessionStore(db.SessionStore):
    """Django's session store with a compiled statement. Django requires this name of the class."""

    def _get_session_from_db(self) -> Session | None:
        """Return the row of the session.

        Without a row forget the key, as Django does, so that nobody can choose a key.
        """
        _, rows = _unexpired().rows(key=self.session_key or "", now=timezone.now())
        if not rows:
            self._session_key = None
            return None
        key, data, expires = rows[0]
        return Session(session_key=key, session_data=data, expire_date=expires)
