"""When a login session ends by itself: so long after its last use, and so long after its beginning."""

from __future__ import annotations

import dataclasses
import datetime as dt

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Least


@dataclasses.dataclass(frozen=True, slots=True)
class Expiry:
    """The two limits of a login session."""

    idle_at: dt.datetime  # it ends then unless it is used before
    oldest_at: dt.datetime  # it ends then in any case

    @property
    def at(self) -> dt.datetime:
        """Return the earlier of both."""
        return min(self.idle_at, self.oldest_at)


def expiry(created_at: dt.datetime, last_access_at: dt.datetime) -> Expiry:
    """Return when a login session with these times ends, by the settings of now."""
    return Expiry(last_access_at + idle_limit(), created_at + age_limit())


def idle_limit() -> dt.timedelta:
    """Return how long a login session lasts without being used."""
    return dt.timedelta(seconds=settings.LOGIN_IDLE_TIMEOUT)


def age_limit() -> dt.timedelta:
    """Return how long a login session lasts at most."""
    return dt.timedelta(seconds=settings.SESSION_COOKIE_AGE)


def used_at(moment: dt.datetime) -> dict[str, dt.datetime | Combinable]:
    """Return the values of the fields that change when login sessions are used at that moment, for an UPDATE.

    The list sorts by `expires_at`. The limits themselves are asked of the settings, which may have changed since.
    """
    oldest = ExpressionWrapper(F("created_at") + age_limit(), output_field=DateTimeField())
    idle = Value(moment + idle_limit(), output_field=DateTimeField())
    return {"last_access_at": moment, "expires_at": Least(oldest, idle)}
