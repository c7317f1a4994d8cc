"""Begins and ends login sessions, and stores their last use. Checks no permission; the flows do.

Ending is a compare-and-swap together with its log entry in one transaction, so that a login session is ended once, by
one person, for one reason.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from activity import log
from activity.listing.response import is_refresh
from activity.models import Level, Outcome
from activity.patience import waiting_at_most
from activity.retries import retry_while_unavailable
from activity.text import plain
from activity.verbs import Verb
from sessions_app import change_notify
from sessions_app.login_rules.models import SignInSettings, WhenTooMany
from sessions_app.login_rules.rules import Part, Refusal, most_logins, outside_hours, refusal_of
from sessions_app.logins import addresses, backend, origin
from sessions_app.logins.client_ip import ClientAddress, client_address, client_ip
from sessions_app.logins.expiry import expiry, used_at
from sessions_app.logins.models import (
    LONGEST_NOTE,
    EndReason,
    LoginSession,
    LoginSessionQuerySet,
    LogoutNote,
    hash_session_key,
)
from sessions_app.logins.sign_in import signed_in_by
from sessions_app.logins.travel import impossible_travel
from sessions_app.people.models import AccountLock, Application

ACCESS_RESOLUTION = dt.timedelta(seconds=60)
WAIT_SECONDS = 2.0  # seconds to wait for a busy database before the last use is not stored; the response waits too


def request_ip(request: HttpRequest) -> str:
    """Return the public address of the browser, as seen by our own proxies; an empty string if there is none."""
    return client_ip(request.META, settings.TRUSTED_PROXIES)


def request_address(request: HttpRequest) -> ClientAddress:
    """Return the same address, and how it was found."""
    return client_address(request.META, settings.TRUSTED_PROXIES)


def begin(request: HttpRequest, user: AbstractBaseUser) -> LoginSession | None:
    """Record the login session of the browser that has just logged in, and return it.

    1. End the login session that the browser had before, and give it a new session key.

    2. Check again, with the account's row locked, that the account was not locked or disabled and has the same
    password, and that its login rules allow one more login from here now. Otherwise delete the browser's session and
    return None; a login rule that refused is kept with the request. Older logins end where the settings say so.

    3. Record the browser, its address and the login in one transaction, and whether its device is new or too far away.
    """
    here = backend.request_login.get()
    if here is not None:
        _end_previous(here, actor=user)
    request.session.cycle_key()
    with transaction.atomic():
        if not _may_still_log_in(user):
            request.session.flush()
            return None
        now, came = timezone.now(), request_address(request)
        if (refusal := _refusal(user, came.address)) is not None:
            _note_refusal(user, refusal)
            request.session.flush()
            return None
        login, device_cookie = _record(request, user, came, now)
    if here is not None:
        here.login, here.session_key = login, request.session.session_key or ""
        here.device_cookie = device_cookie
    return login


def _record(
    request: HttpRequest, user: AbstractBaseUser, came: ClientAddress, now: dt.datetime
) -> tuple[LoginSession, str]:
    """Store and log a new login session. Return it, and the cookie by which its browser is known again."""
    browser, address = origin.browser_of(request), origin.address_of(came.address, user.pk)
    seen = origin.device_of(request, user, browser, address)
    travel = impossible_travel(user.pk, address, now)
    login = LoginSession.objects.create(
        created_at=now,
        last_access_at=now,
        expires_at=expiry(now, now).at,
        user_id=user.pk,
        user_name=user.get_username(),
        key_hash=hash_session_key(request.session.session_key or ""),
        **signed_in_by(request, user),
        **browser,
        **address,
        known_device=seen.device,
        recognised_by=seen.by,
        travel_kmh=travel.kmh if travel is not None else None,
    )
    addresses.note_first(login, came)
    log.record(
        Verb.LOGIN,
        f"{login.user_name} logged in with {login.browser or 'an unknown browser'} "
        f"on {login.os or 'an unknown system'} from {login.city}",
        actor=user,
        target=login,
    )
    origin.note_marks(login, user, travel)
    return login, seen.cookie


def _end_previous(here: backend.RequestLogin, *, actor: AbstractBaseUser) -> None:
    """End the login session that the browser had before, which the request may not have loaded."""
    if here.session_key:
        key_hash = hash_session_key(here.session_key)
        login = LoginSession.objects.live().filter(key_hash=key_hash).select_related("user").first()
        if login is not None:
            end(login, EndReason.REPLACED, actor=actor)
    here.login = None


def _may_still_log_in(user: AbstractBaseUser) -> bool:
    """Lock the account's row, and return whether the account may log in.

    A lock, a disabling or a new password is either committed before, and seen here, or comes later and then ends the
    new login session. Applications may never log in.
    """
    accounts = get_user_model()._default_manager.select_for_update().filter(pk=user.pk)
    account = accounts.values("password", "is_active").first()
    return (
        account is not None
        and account["is_active"]
        and account["password"] == user.password
        and not AccountLock.objects.in_force().filter(user_id=user.pk).exists()
        and not Application.objects.filter(principal=user.pk).exists()
    )


def _note_refusal(user: AbstractBaseUser, refusal: Refusal) -> None:
    """Log that a login rule refused a login, and keep it with the request for what the person is told."""
    log.record(
        Verb.LOGIN_FAILED,
        f"A login as {user.get_username()} was refused. {refusal.text}",
        user=user,
        level=Level.WARNING,
        outcome=Outcome.DENIED,
        details={"rule": refusal.part.value},
    )
    if (here := backend.request_login.get()) is not None:
        here.refusal = refusal


def _refusal(user: AbstractBaseUser, address: str) -> Refusal | None:
    """Return the login rule that does not let this person in; None if all do. The account's row is locked.

    Where a person may have only so many logins at a time, and the settings do not refuse the new one, end the oldest.
    """
    if (refusal := refusal_of(user.pk, address)) is not None:
        return refusal
    chosen = SignInSettings.current()
    most = most_logins(user.pk, chosen)
    if most is None:
        return None
    live = live_logins(user).of_browsers().exclude(backend.is_expired(timezone.now())).select_related("user")
    logins = list(live.order_by("created_at", "pk"))
    too_many = logins[: max(len(logins) - most + 1, 0)]
    times = f"{most} login{'' if most == 1 else 's'} at a time"
    if too_many and chosen.when_too_many == WhenTooMany.REFUSE_NEW:
        return Refusal(
            Part.MAX_LOGINS,
            f"You may have {times}, and have {len(logins)} already. Log out there first, or ask an administrator.",
        )
    for login in too_many:
        end(login, EndReason.TOO_MANY, actor=None, note=f"You logged in again, and may have {times}.")
    return None


def touch(login: LoginSession, request: HttpRequest) -> None:
    """Store a change of address at once, and the last use at most once in 60 seconds, each with one UPDATE.

    A refresh that an open page makes by itself is no use, because a person who left a page open would never count as
    idle (OWASP ASVS 5, 7.3.1). From another address it counts, so that no change of address is missed. Raise
    OperationalError if the database is busy for two seconds.
    """
    now = timezone.now()
    came = request_address(request)
    is_late = now - login.last_access_at >= ACCESS_RESOLUTION
    if came.address and came.address != login.ip and (is_late or login.ip):
        _record_new_address(login, came, now)
    elif is_late and not is_refresh(request):
        with waiting_at_most(WAIT_SECONDS), transaction.atomic():
            live = LoginSession.objects.live().filter(pk=login.pk, last_access_at=login.last_access_at)
            live.update(**used_at(now))


def _record_new_address(login: LoginSession, came: ClientAddress, now: dt.datetime) -> None:
    """Store and log the new address. Of several requests from it only the first writes an entry."""
    with waiting_at_most(WAIT_SECONDS), transaction.atomic():
        place = origin.address_of(came.address, login.user_id, but=login.pk)
        if LoginSession.objects.live().filter(pk=login.pk, ip=login.ip).update(**used_at(now), **place):
            addresses.note_move(login, came, place, now)
            log.record(
                Verb.LOGIN_MOVED,
                f"{login.user_name} went on from {place['city']} ({came.address}), "
                f"before from {login.city} ({login.ip})",
                actor=login.user,
                target=login,
                level=Level.WARNING,
            )


def rekey(login: LoginSession, session_key: str) -> None:
    """Store the new session key that Django has given the browser, for example after a change of password."""
    LoginSession.objects.live().filter(pk=login.pk).update(key_hash=hash_session_key(session_key))


@retry_while_unavailable
def end(login: LoginSession, reason: EndReason, *, actor: AbstractBaseUser | None, note: str = "") -> bool:
    """End one login session, so that the next request of its browser is refused.

    `note` says why, in words of an administrator. Return False if it was over already.
    """
    now = timezone.now()
    with transaction.atomic():
        won = (
            LoginSession.objects.live()
            .filter(pk=login.pk)
            .update(ended_at=now, expires_at=None, end_reason=reason, ended_by_id=actor.pk if actor else None)
        )
        if not won:
            return False
        forced = actor is not None and actor.pk != login.user_id
        log.record(
            Verb.LOGOUT_FORCED if forced else Verb.LOGOUT,
            end_in_words(login, reason) + (f". {note}" if note else ""),
            actor=actor,
            user=login.user,
            target=login,
            details={"reason": reason.value, **({"note": note} if note else {})},
        )
        if note:
            LogoutNote.objects.create(login=login, text=note)
        change_notify.notify_gateways()
    login.ended_at, login.end_reason = now, reason
    return True


def end_all(
    user: AbstractBaseUser,
    reason: EndReason,
    *,
    actor: AbstractBaseUser | None,
    keep: LoginSession | None = None,
    note: str = "",
) -> int:
    """End every live login session of `user` except `keep`. Return how many were ended."""
    logins = live_logins(user, but=keep).select_related("user")
    return sum(end(login, reason, actor=actor, note=note) for login in logins)


def live_logins(user: AbstractBaseUser, *, but: LoginSession | None = None) -> LoginSessionQuerySet:
    """Return the live login sessions of `user`, without `but`."""
    logins = LoginSession.objects.live().filter(user_id=user.pk)
    return logins if but is None else logins.exclude(pk=but.pk)


def end_expired() -> int:
    """End login sessions that are idle or old beyond the limits. Return how many. Workers and gateways call this."""
    expired = (
        LoginSession.objects.live().of_browsers().filter(backend.is_expired(timezone.now())).select_related("user")
    )
    return sum(end(login, EndReason.EXPIRED, actor=None) for login in expired[:1000])


END_REASONS = {Part.NETWORKS: EndReason.NETWORKS, Part.HOURS: EndReason.HOURS, Part.MAX_LOGINS: EndReason.TOO_MANY}


def end_by_rule(login: LoginSession, refusal: Refusal) -> bool:
    """End a login session that a login rule does not allow any more. Return False if it was over already."""
    return end(login, END_REASONS[refusal.part], actor=None, note=plain(refusal.text, LONGEST_NOTE))


def end_outside_hours() -> int:
    """End the login sessions of people whose login rules do not allow this hour. Return how many.

    Workers and gateways call this. Without it a login ends with its next request.
    """
    outside = outside_hours(timezone.now())
    logins = LoginSession.objects.live().filter(user_id__in=list(outside)).select_related("user") if outside else []
    return sum(end_by_rule(login, outside[login.user_id]) for login in logins)


def end_in_words(login: LoginSession, reason: EndReason) -> str:
    """Return the sentence of the log about the end of the login session."""
    browser = f"{login.browser or 'an unknown browser'} ({login.city})"
    if reason is EndReason.LOGOUT:
        return f"{login.user_name} logged out from {browser}"
    return f"{login.user_name} was logged out from {browser}: {reason.label}"
