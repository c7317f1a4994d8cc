"""Two logins that no aeroplane connects: counted with the accuracy of both places, logged, and never blocked."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.logins import geolocation
from sessions_app.logins.models import LoginSession
from sessions_app.logins.travel import FASTEST_KMH, distance_km, impossible_travel
from tests.support.builders import PASSWORD, make_login

BERN, OSLO, SYDNEY, GENEVA = (46.95, 7.45), (59.91, 10.75), (-33.87, 151.21), (46.20, 6.15)
CODES = {BERN: "CH", OSLO: "NO", SYDNEY: "AU", GENEVA: "CH"}


def login_at(user: User, point: tuple[float, float], hours_ago: float, **values: Any) -> LoginSession:
    then = timezone.now() - dt.timedelta(hours=hours_ago)
    known = {"latitude": point[0], "longitude": point[1], "country_code": CODES[point], "accuracy_km": 20}
    return make_login(user, **{"city": "Bern", "created_at": then, "last_access_at": then, **known, **values})


def place(point: tuple[float, float] | None, accuracy_km: int | None = 20) -> dict[str, Any]:
    latitude, longitude = point or (None, None)
    return {"latitude": latitude, "longitude": longitude, "accuracy_km": accuracy_km}


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [(BERN, OSLO, 1460), (BERN, SYDNEY, 16635), (BERN, BERN, 0), ((0.0, 179.5), (0.0, -179.5), 111)],
)
def test_distances_are_those_of_the_globe(one: tuple[float, float], other: tuple[float, float], km: int) -> None:
    assert distance_km(*one, *other) == pytest.approx(km, rel=0.01, abs=1)
    assert distance_km(*other, *one) == pytest.approx(distance_km(*one, *other))


@pytest.mark.parametrize(
    ("there", "hours_ago", "accuracy_km", "is_impossible"),
    [
        (OSLO, 1.0, 20, True),  # 1,460 km in an hour
        (OSLO, 1.6, 20, False),
        (OSLO, 1.0, 700, False),  # the place may be half of the way from there
        (OSLO, 1.4, None, False),  # the database says nothing about it, so 50 km are counted
        (SYDNEY, 15.0, 20, True),
        (SYDNEY, 17.0, 20, False),
        (GENEVA, 0.001, 20, False),  # 130 km: two exits of networks in one region
        (None, 0.1, 20, False),  # unknown, or a private network
    ],
)
def test_a_journey_is_impossible_where_no_aeroplane_covers_it(
    alice: User, there: tuple[float, float] | None, hours_ago: float, accuracy_km: int | None, is_impossible: bool
) -> None:
    login_at(alice, BERN, hours_ago)
    found = impossible_travel(alice.pk, place(there, accuracy_km), timezone.now())
    assert (found is not None) is is_impossible


def test_logins_of_other_people_and_from_nowhere_never_count(alice: User, outsider: User) -> None:
    login_at(outsider, BERN, 0.1)
    login_at(alice, BERN, 0.1, latitude=None, longitude=None)
    login_at(alice, BERN, 40)
    assert impossible_travel(alice.pk, place(SYDNEY), timezone.now()) is None


def test_the_fastest_journey_is_told_with_its_speed(alice: User) -> None:
    now = timezone.now()
    login_at(alice, BERN, 2)
    later = login_at(alice, BERN, 1, last_access_at=now - dt.timedelta(hours=1))
    found = impossible_travel(alice.pk, place(SYDNEY), now)
    assert found is not None
    assert found.earlier == later
    assert found.text == (
        f"at least {found.km:,} km from Bern within 1 h 00, which takes {found.kmh:,} km/h; an aeroplane flies "
        "1,000 km/h"
    )
    login_at(alice, BERN, 0, last_access_at=now)
    at_once = impossible_travel(alice.pk, place(SYDNEY), now)
    assert at_once is not None
    assert at_once.kmh == FASTEST_KMH
    assert "no speed is enough for" in at_once.text


def test_a_login_from_too_far_away_is_logged_and_not_blocked(
    alice: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    login_at(alice, BERN, 1)
    there = geolocation.Place("Sydney", "", "Australia", "AU", *SYDNEY, 20)
    monkeypatch.setattr(geolocation, "locate", lambda ip: there)
    client = Client(REMOTE_ADDR="203.0.113.5")
    assert client.post("/accounts/login/", {"username": "alice", "password": PASSWORD}).status_code == 302
    assert client.get("/").status_code == 200
    login = LoginSession.objects.latest("pk")
    assert login.travel_kmh is not None
    entry = LogEntry.objects.get(verb=Verb.LOGIN_TRAVEL)
    assert entry.level == Level.WARNING
    assert entry.user_id == alice.pk
    assert entry.target_id == login.pk
    assert f"{login.travel_kmh:,} km/h" in entry.message
