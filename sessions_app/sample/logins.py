"""The login sessions of the sample data: browsers all over the world, live and ended, with their log entries."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from collections.abc import Iterator

from activity import log
from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.logins.addresses import place_of
from sessions_app.logins.expiry import expiry
from sessions_app.logins.geoip.sample_places import SAMPLE_PLACES, UNKNOWN_ADDRESS, SamplePlace
from sessions_app.logins.models import (
    AddressSource,
    EndReason,
    LoginAddress,
    LoginSession,
    Method,
    SecondFactor,
    hash_session_key,
)
from sessions_app.sample.browsers import BROWSERS
from sessions_app.sample.devices import add_devices
from sessions_app.sample.people import ACCOUNTS, OTHERS, Account, People

LIVE_COUNT, ENDED_COUNT = 18, 42
# How people sign in: the first step, the provider, the second step.
WAYS = (
    (Method.PASSWORD, "", SecondFactor.TOTP),
    (Method.PASSKEY, "", SecondFactor.PASSKEY),
    (Method.PASSWORD, "", SecondFactor.SECURITY_KEY),
    (Method.PROVIDER, "Company login", SecondFactor.PROVIDER),
    (Method.PASSWORD, "", ""),
)
ENDINGS = (EndReason.LOGOUT, EndReason.EXPIRED, EndReason.LOGOUT, EndReason.FORCED, EndReason.PASSWORD)


def make_logins(people: People, now: dt.datetime) -> list[LogEntry]:
    """Create the login sessions. Return their log entries, which are not saved yet."""
    users = [people.users[name] for name, *_ in (*ACCOUNTS, *OTHERS)]
    logins = [
        *(_login(users[n % len(users)], n, now - dt.timedelta(minutes=12 + 9 * n)) for n in range(LIVE_COUNT)),
        *(
            _login(users[n * 5 % len(users)], n, now - dt.timedelta(hours=14 + 15 * n), ended=ENDINGS[n % len(ENDINGS)])
            for n in range(ENDED_COUNT)
        ),
    ]
    for login in logins:
        if login.end_reason == EndReason.FORCED:
            login.ended_by = people.users["admin"]
        elif login.end_reason in (EndReason.LOGOUT, EndReason.PASSWORD):
            login.ended_by = login.user
    add_devices(logins)
    LoginSession.objects.bulk_create(logins)
    LoginAddress.objects.bulk_create(_address(login) for login in logins if login.ip)
    for user in users:
        user.last_login = max((one.created_at for one in logins if one.user_id == user.pk), default=None)
        user.save(update_fields=["last_login"])
    return [entry for login in logins for entry in _entries(login)]


def _login(user: Account, number: int, at: dt.datetime, *, ended: EndReason | None = None) -> LoginSession:
    """Create a login from the user's own city, sometimes from another city, and once from an unknown address."""
    place = SAMPLE_PLACES[(user.pk + number) % len(SAMPLE_PLACES)] if number % 4 == 0 else home(user)
    user_agent, device = BROWSERS[number % len(BROWSERS)]
    used_for = dt.timedelta(minutes=7 + number * 11 % 200)
    last_used = at + used_for if ended else at + dt.timedelta(minutes=6 + 5 * number)
    method, provider, factor = WAYS[number % len(WAYS)]
    return LoginSession(
        user=user,
        user_name=user.get_username(),
        key_hash=hash_session_key(secrets.token_hex(16)),
        user_agent=user_agent,
        **dataclasses.asdict(device),
        created_at=at,
        last_access_at=last_used,
        expires_at=None if ended else expiry(at, last_used).at,
        signed_in_with=method,
        provider=provider,
        second_factor=factor,
        confirmed_at=at,
        ended_at=at + used_for + dt.timedelta(minutes=1) if ended else None,
        end_reason=ended or "",
        **(_unknown_place() if number == 7 else _place(place, number)),
        is_abroad=number != 7 and place.country_code != home(user).country_code,
    )


def home(user: Account) -> SamplePlace:
    """Return the city where the user usually is."""
    place: SamplePlace = SAMPLE_PLACES[user.pk % len(SAMPLE_PLACES)]
    return place


def _place(place: SamplePlace, number: int) -> dict[str, object]:
    return {
        "ip": place.address6(number) if number % 6 == 5 else place.address(number + 1),
        "city": place.city,
        "region": place.region,
        "country": place.country,
        "country_code": place.country_code,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "accuracy_km": place.radius_km,
        "asn": place.asn,
        "network": place.network_name,
    }


def _address(login: LoginSession) -> LoginAddress:
    """Return the one address that a login of the sample data was used from."""
    return LoginAddress(
        login=login,
        ip=login.ip or "",
        source=AddressSource.PEER,
        first_seen_at=login.created_at,
        last_seen_at=login.created_at,
        **place_of(login),
    )


def _unknown_place() -> dict[str, object]:
    return {"ip": UNKNOWN_ADDRESS, "city": "Unknown"}


def _entries(login: LoginSession) -> Iterator[LogEntry]:
    with log.coming_from(login.ip or ""):
        yield log.draft(
            Verb.LOGIN,
            f"{login.user_name} logged in with {login.browser} on {login.os} from {login.city}",
            actor=login.user,
            target=login,
            at=login.created_at,
        )
        if login.travel_kmh is not None:
            yield log.draft(
                Verb.LOGIN_TRAVEL,
                f"{login.user_name} logged in from {login.city}: at least 1,740 km from {home(login.user).city} within "
                f"30 min, which takes {login.travel_kmh:,} km/h; an aeroplane flies 1,000 km/h",
                user=login.user,
                target=login,
                level=Level.WARNING,
                at=login.created_at,
            )
    if login.ended_at is not None:
        is_forced = login.end_reason == EndReason.FORCED
        reason = EndReason(login.end_reason)
        yield log.draft(
            Verb.LOGOUT_FORCED if is_forced else Verb.LOGOUT,
            f"{login.user_name} was logged out from {login.browser} in {login.city}: {reason.label.lower()}",
            actor=login.ended_by,
            user=login.user,
            target=login,
            at=login.ended_at,
            details={"reason": reason.value},
        )
