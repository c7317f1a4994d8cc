"""Writes login sessions: begins one at login, notes the last access, ends one. No permission is checked here; flows do.

Ending is a compare-and-swap with its log entry in one transaction, so that a session is ended once, by one person, for
one reason.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb
from sessions_app.logins import backend, device, place
from sessions_app.logins.client_ip import client_ip
from sessions_app.models import EndReason, LoginSession
from sessions_app.models.login import hash_session_key

ACCESS_RESOLUTION = dt.timedelta(seconds=60)


def request_ip(request: HttpRequest) -> str:
    """The public address of the browser, right behind our own proxies; empty when there is none."""
    return client_ip(request.META, settings.TRUSTED_PROXIES)


def begin(request: HttpRequest, user: AbstractBaseUser) -> LoginSession:
    """Record the browser that just logged in, under a new session key, and end what it was logged in as before."""
    here = backend.carried.get()
    if here is not None and here.login is not None:
        end(here.login, EndReason.REPLACED, actor=user)
        here.login = None
    request.session.cycle_key()
    hints = device.hints_from(request.META)
    if request.COOKIES.get("touch") == "1":
        hints["touch"] = "1"
    user_agent = plain(request.headers.get("User-Agent", ""), 512)
    seen = device.describe(user_agent, hints)
    with transaction.atomic():
        login = LoginSession.objects.create(
            user_id=user.pk,
            user_name=user.get_username(),
            key_hash=hash_session_key(request.session.session_key or ""),
            user_agent=user_agent,
            device=seen.device,
            os=seen.os,
            os_version=seen.os_version,
            browser=seen.browser,
            browser_version=seen.browser_version,
            **_address(request_ip(request)),
        )
        log.record(
            Verb.LOGIN,
            f"{user.get_username()} logged in with {seen.browser or 'an unknown browser'} "
            f"on {seen.os or 'an unknown system'} from {login.city}",
            actor=user,
            target=login,
        )
    return login


def touch(login: LoginSession, request: HttpRequest) -> None:
    """Note the last access, at most once in 60 seconds; the same UPDATE notes a change of address."""
    now = timezone.now()
    if now - login.last_access_at < ACCESS_RESOLUTION:
        return
    values: dict[str, Any] = {"last_access_at": now}
    ip = request_ip(request)
    has_moved = bool(ip) and ip != login.ip
    if has_moved:
        values |= _address(ip)
    with transaction.atomic():
        is_mine = LoginSession.objects.live().filter(pk=login.pk, last_access_at=login.last_access_at).update(**values)
        if is_mine and has_moved:
            log.record(
                Verb.LOGIN_MOVED,
                f"{login.user_name} went on from {values['city']} ({ip}), before from {login.city} ({login.ip})",
                actor=login.user,
                target=login,
                level=Level.WARNING,
            )


def rekey(login: LoginSession, session_key: str) -> None:
    """Follow Django when it gives a browser a new session key (after a change of password)."""
    LoginSession.objects.live().filter(pk=login.pk).update(key_hash=hash_session_key(session_key))


def end(login: LoginSession, reason: EndReason, *, actor: AbstractBaseUser | None) -> bool:
    """End one login session; its browser is a stranger from the next request on. False: it was over already."""
    now = timezone.now()
    with transaction.atomic():
        won = (
            LoginSession.objects.live()
            .filter(pk=login.pk)
            .update(ended_at=now, end_reason=reason, ended_by_id=actor.pk if actor else None)
        )
        if not won:
            return False
        forced = actor is not None and actor.pk != login.user_id
        log.record(
            Verb.LOGOUT_FORCED if forced else Verb.LOGOUT,
            f"{login.user_name} was logged out from {login.browser or 'an unknown browser'} "
            f"in {login.city}: {reason.label.lower()}",
            actor=actor,
            user=login.user,
            target=login,
            details={"reason": reason.value},
        )
    login.ended_at, login.end_reason = now, reason
    return True


def end_all(
    user: AbstractBaseUser, reason: EndReason, *, actor: AbstractBaseUser | None, keep: LoginSession | None = None
) -> int:
    """End every live login session of `user` but `keep`; how many were ended."""
    logins = LoginSession.objects.live().filter(user_id=user.pk).select_related("user")
    if keep is not None:
        logins = logins.exclude(pk=keep.pk)
    return sum(end(login, reason, actor=actor) for login in logins)


def end_expired() -> int:
    """End those that are idle or old beyond the limits; the worker calls this. How many were ended."""
    now = timezone.now()
    idle = now - dt.timedelta(seconds=settings.LOGIN_IDLE_TIMEOUT)
    old = now - dt.timedelta(seconds=settings.SESSION_COOKIE_AGE)
    live = LoginSession.objects.live().select_related("user")
    expired = live.filter(last_access_at__lt=idle) | live.filter(created_at__lt=old)
    return sum(end(login, EndReason.EXPIRED, actor=None) for login in expired[:1000])


def _address(ip: str) -> dict[str, Any]:
    where = place.locate(ip)
    return {
        "ip": ip or None,
        "city": where.city,
        "region": where.region,
        "country": where.country,
        "country_code": where.country_code,
        "latitude": where.latitude,
        "longitude": where.longitude,
        "accuracy_km": where.accuracy_km,
    }
