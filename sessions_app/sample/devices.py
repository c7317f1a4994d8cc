"""The devices of the sample data: each browser of a person, two with a name, and one login from a new one."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sessions_app.devices import cookie
from sessions_app.devices.models import Device, RecognisedBy
from sessions_app.devices.recognition import network_of
from sessions_app.logins.models import LoginSession
from sessions_app.sample.people import ACCOUNTS

NAMES = ("work laptop", "phone")  # of the first devices


def add_devices(logins: Iterable[LoginSession]) -> None:
    """Give logins that are not saved yet their devices, which are created.

    The four people whose passwords a trial prints get none, so that their first login is the first that is known.
    """
    printed = {name for name, *_ in ACCOUNTS}
    theirs = sorted((login for login in logins if login.user_name not in printed), key=lambda one: one.created_at)
    live = [login for login in theirs if login.is_live and login.latitude is not None]
    # One from a new device, further away than an aeroplane flies; from another country if there is one.
    strange = max(live, key=lambda one: (one.is_abroad, one.created_at))
    devices: dict[tuple[int, str], Device] = {}
    for login in theirs:
        is_first = all(user_id != login.user_id for user_id, _ in devices)
        key = (login.user_id, "" if login is strange else login.user_agent)
        known = devices.get(key)
        device = devices[key] = known or _device(login)
        device.last_seen_at = login.created_at
        login.known_device = device
        login.recognised_by = RecognisedBy.COOKIE if known else RecognisedBy.ALIKE
        if is_first:
            login.recognised_by = RecognisedBy.FIRST
    for device, name in zip(devices.values(), NAMES, strict=False):
        device.name = name
    Device.objects.bulk_create(devices.values())
    strange.recognised_by, strange.travel_kmh = RecognisedBy.NEW, 3480


def _device(login: LoginSession) -> Device:
    return Device(
        user=login.user,
        secret_hash=cookie.hash_id(login.user_id, secrets.token_hex(16)),
        kind=login.device,
        os=login.os,
        browser=login.browser,
        country_code=login.country_code,
        network=network_of(login.ip or "", login.asn),
        first_seen_at=login.created_at,
        last_seen_at=login.created_at,
    )
