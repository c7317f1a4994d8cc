"""Whether two logins of one person lie further apart than an aeroplane flies in the time between them.

The accuracy of both places is counted in favour of the person, and a database that states none is taken to be as
inaccurate as such databases are. Nothing is blocked: the place is that of the network's exit, which for a VPN or a
mobile network is often elsewhere.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

from sessions_app.logins.models import LoginSession, Method

AEROPLANE_KMH = 1000  # faster than airliners cruise, also with the wind behind them
SHORTEST_KM = 500  # two exits of networks in one region are often some hundred kilometres apart
UNSTATED_KM = 50  # the accuracy where the database does not state one
EARTH_KM = 6371.0
LOOKED_BACK = 20  # logins
FASTEST_KMH = 999_999


@dataclass(frozen=True, slots=True)
class Travel:
    """How far and how fast a person would have had to travel since an earlier login."""

    earlier: LoginSession
    km: int
    minutes: int
    kmh: int

    @property
    def text(self) -> str:
        """Return the sentence for the log."""
        took = f"{self.minutes // 60} h {self.minutes % 60:02}" if self.minutes >= 60 else f"{self.minutes} min"
        speed = f"which takes {self.kmh:,} km/h" if self.kmh < FASTEST_KMH else "which no speed is enough for"
        return (
            f"at least {self.km:,} km from {self.earlier.city} within {took}, {speed}; an aeroplane flies "
            f"{AEROPLANE_KMH:,} km/h"
        )


def impossible_travel(user_id: int, place: dict[str, Any], now: dt.datetime) -> Travel | None:
    """Return the fastest journey that a login at `place` needs, if no aeroplane covers it; else None.

    It looks at the person's last logins within the time that an aeroplane takes around half the world. A place without
    coordinates is none: an unknown one, or a private network.
    """
    latitude, longitude = place["latitude"], place["longitude"]
    if latitude is None or longitude is None:
        return None
    since = now - dt.timedelta(hours=math.pi * EARTH_KM / AEROPLANE_KMH)
    earlier = LoginSession.objects.filter(user_id=user_id, latitude__isnull=False, longitude__isnull=False)
    found = earlier.exclude(country_code="").order_by("-pk")[:LOOKED_BACK]
    # SSH clients often run on another machine than the one that the person sits at.
    last = [one for one in found if one.last_access_at > since and one.signed_in_with != Method.SSH_KEY]
    journeys = [journey(one, latitude, longitude, place["accuracy_km"], now) for one in last]
    return max((one for one in journeys if one is not None), key=lambda one: (one.kmh, one.km), default=None)


def journey(
    earlier: LoginSession, latitude: float, longitude: float, accuracy_km: int | None, now: dt.datetime
) -> Travel | None:
    """Return the journey from `earlier`, which has coordinates, if no aeroplane covers it; else None."""
    if earlier.latitude is None or earlier.longitude is None:
        return None
    apart = distance_km(earlier.latitude, earlier.longitude, latitude, longitude)
    unsure = sum(UNSTATED_KM if radius is None else radius for radius in (earlier.accuracy_km, accuracy_km))
    km = int(apart - unsure)
    hours = max((now - earlier.last_access_at).total_seconds(), 0) / 3600
    if km < SHORTEST_KM or km <= AEROPLANE_KMH * hours:
        return None
    kmh = min(round(km / hours), FASTEST_KMH) if hours else FASTEST_KMH
    return Travel(earlier, km, round(hours * 60), kmh)


def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Return the length of the great circle between two points, in kilometres (haversine)."""
    here, there = math.radians(latitude), math.radians(other_latitude)
    across = math.sin((there - here) / 2) ** 2
    along = math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, across + math.cos(here) * math.cos(there) * along)))
