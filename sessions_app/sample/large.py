"""As many sessions, logins and log entries as one wants to see a list with.

The rows are spread over a year, are written quickly, and have no content that is worth reading.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from activity import log
from activity.verbs import Verb
from sessions_app.logins.expiry import expiry
from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES
from sessions_app.logins.models import EndReason, LoginSession, Method, hash_session_key
from sessions_app.privileged import lifecycle
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.sample.browsers import BROWSERS
from sessions_app.sample.catalogue import Catalogue
from sessions_app.sample.people import Account

ROWS_AT_ONCE = 2000
MOST_USERS = 10_000
OUTCOMES = (Status.COMPLETE, Status.COMPLETE, Status.COMPLETE, Status.CANCELED, Status.DENIED, Status.FAILED)


def load_large(catalogue: Catalogue, count: int, now: dt.datetime) -> None:
    """Add `count` ended sessions, `count` login sessions (one in ten live), and a log entry for each."""
    chance = random.Random(count)  # noqa: S311 - the same rows each time; nothing depends on chance
    users = _users(min(max(count // 10, 20), MOST_USERS))
    moments = sorted(now - dt.timedelta(seconds=chance.uniform(7200, 365 * 86400)) for _ in range(count))
    for part in _parts(moments):
        sessions = [_session(catalogue, chance, chance.choice(users), at) for at in part]
        lifecycle.adopt([(session, chance.choice(OUTCOMES)) for session in sessions])
        log.record_all(
            log.draft(
                Verb.SESSION_REQUESTED,
                f"{session.user_name} asked for {session.activity_name} on {session.resource_name}",
                actor=session.user,
                target=session,
                at=session.requested_at,
            )
            for session in sessions
        )
        logins = LoginSession.objects.bulk_create(_login(chance, chance.choice(users), at, now) for at in part)
        log.record_all(
            log.draft(
                Verb.LOGIN,
                f"{login.user_name} logged in with {login.browser} on {login.os} from {login.city}",
                actor=login.user,
                target=login,
                at=login.created_at,
            )
            for login in logins
        )


def _users(count: int) -> list[Account]:
    password = make_password(None)
    return get_user_model()._default_manager.bulk_create(
        [
            get_user_model()(
                username=f"user-{number:05}",
                first_name=f"Number {number}",
                last_name="Sample",
                email=f"user-{number:05}@example.com",
                password=password,
            )
            for number in range(count)
        ],
        batch_size=ROWS_AT_ONCE,
    )


def _session(catalogue: Catalogue, chance: random.Random, user: Account, at: dt.datetime) -> PrivilegedSession:
    policy = chance.choice(list(catalogue.policies.values()))
    activity = chance.choice(list(catalogue.activities.values()))
    resource = chance.choice(list(catalogue.resources.values()))
    duration = dt.timedelta(seconds=chance.randint(30, 7000))
    return PrivilegedSession(
        user=user,
        user_name=user.get_username(),
        requested_by=user,
        resource=resource,
        resource_name=resource.name,
        activity=activity,
        activity_name=activity.name,
        policy=policy,
        profile=policy.profile,
        maximum_duration=policy.profile.maximum_duration,
        requested_at=at,
        start_at=at,
        end_at=at + policy.profile.maximum_duration,
        ended_at=at + duration,
        duration=duration,
    )


def _login(chance: random.Random, user: Account, at: dt.datetime, now: dt.datetime) -> LoginSession:
    place = chance.choice(SAMPLE_PLACES)
    user_agent, device = chance.choice(BROWSERS)
    is_live = chance.random() < 0.1
    begun = now - dt.timedelta(minutes=chance.randint(5, 300)) if is_live else at
    used = now - dt.timedelta(minutes=chance.uniform(0, 5)) if is_live else at
    return LoginSession(
        user=user,
        user_name=user.get_username(),
        key_hash=hash_session_key(f"{chance.getrandbits(160):040x}"),
        ip=place.address(chance.randint(1, 14)),
        city=place.city,
        region=place.region,
        country=place.country,
        country_code=place.country_code,
        latitude=place.latitude,
        longitude=place.longitude,
        accuracy_km=place.radius_km,
        asn=place.asn,
        network=place.network_name,
        user_agent=user_agent,
        **dataclasses.asdict(device),
        signed_in_with=Method.PASSWORD,
        created_at=begun,
        last_access_at=used,
        expires_at=expiry(begun, used).at if is_live else None,
        ended_at=None if is_live else at + dt.timedelta(minutes=20),
        end_reason="" if is_live else EndReason.LOGOUT,
    )


def _parts(moments: list[dt.datetime]) -> Iterator[list[Any]]:
    for start in range(0, len(moments), ROWS_AT_ONCE):
        yield moments[start : start + ROWS_AT_ONCE]
