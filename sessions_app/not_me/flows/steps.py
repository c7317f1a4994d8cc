"""The steps of a report, each with the sentence for the person about what it did, or what it could not do and why.

Whoever has the mailbox reads these sentences, so they name no host and no session; the log does.
"""

from __future__ import annotations

import datetime as dt

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from activity import log
from activity.models import Level, LogEntry
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.devices.models import Device
from sessions_app.errors import Refused
from sessions_app.factors.models import RecoveryCode
from sessions_app.factors.required import end_grace
from sessions_app.factors.stage import has_factor
from sessions_app.gateway.models import GatewayTicket
from sessions_app.hosts.flows.ssh_keys import remove_key
from sessions_app.hosts.models import UserKey
from sessions_app.logins.models import LoginSession, Method
from sessions_app.permission import lock_account_row
from sessions_app.privileged import policy
from sessions_app.privileged.flows.apply_lock import apply_lock
from sessions_app.privileged.flows.control import start_canceling
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lockdown import LockdownStep
from sessions_app.privileged.flows.permission import lock_session_row
from sessions_app.privileged.lifecycle import LifecycleError
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.sso.linking import unlink
from sessions_app.sso.models import Identity

TITLE = "This wasn't me"
MESSAGE = "A login to your account was reported as not yours. An administrator unlocks this session."
LOCKED, CANCELED, ENDED, WAITS, UNTOUCHED, REFUSED = "locked", "canceled", "ended", "waits", "untouched", "refused"


def counted(number: int, noun: str) -> str:
    """Return the number with the noun: "1 browser", "2 browsers"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def about_password(user: AbstractUser, login: LoginSession, *, is_void: bool, is_by_link: bool) -> LockdownStep:
    """Say what became of the password."""
    if is_void and (is_by_link or user.email):
        return LockdownStep(True, "Your password no longer works. Nobody can log in with it.")
    if is_void:
        text = "Your password no longer works. You have no e-mail address, so an administrator must give you a new one."
        return LockdownStep(True, text)
    if login.signed_in_with == Method.PROVIDER:
        provider = login.provider or "your provider"
        text = f"You sign in with {provider}, whose password the console cannot change. Change it there now."
        return LockdownStep(False, text)
    return LockdownStep(False, "Your account has no password that could be disabled.")


def tickets(user: AbstractUser) -> LockdownStep:
    """Use up every ticket and one-time password of the account. Call it inside the transaction of the logouts."""
    unused = GatewayTicket.objects.filter(user_id=user.pk, used_at=None, expires_at__gt=timezone.now())
    count = unused.update(used_at=timezone.now())
    if not count:
        return LockdownStep(True, "No one-time password for the gateway was left unused.")
    return LockdownStep(True, f"Revoked {counted(count, 'one-time password')} for the gateway.")


def keys(user: AbstractUser, since: dt.datetime) -> list[LockdownStep]:
    """Remove the SSH keys that were registered since that login began. Their connections are cut."""
    added = UserKey.objects.filter(user_id=user.pk, added_at__gte=since).select_related("user")
    removed = sum(_remove(user, key) for key in added)
    left = UserKey.objects.filter(user_id=user.pk).count()
    text = "No SSH key was registered since that login."
    if removed:
        were = "was" if removed == 1 else "were"
        text = f"Removed {counted(removed, 'SSH key')} that {were} registered since that login."
    if left:
        text += f" {counted(left, 'older key')} stayed; remove on your account page what is not yours."
    return [LockdownStep(True, text)]


@retry_while_unavailable
def _remove(user: AbstractUser, key: UserKey) -> bool:
    try:
        remove_key(user, key)
    except Refused:
        return False  # somebody else removed it at the same moment
    return True


@retry_while_unavailable
def factors(user: AbstractUser, since: dt.datetime) -> list[LockdownStep]:
    """Remove the second factors and passkeys that were set up since that login began. Older ones stay required."""
    with transaction.atomic():
        lock_account_row(user)
        added = Authenticator.objects.filter(user_id=user.pk, created_at__gte=since)
        names = [one.data.get("name") or one.get_type_display() for one in added]
        added.delete()
        if RecoveryCode.objects.filter(user_id=user.pk, created_at__gte=since).delete()[0]:
            names.append("recovery codes")
        if names and not has_factor(user):
            end_grace(user)  # else whoever knows the password would log in a few times without one
        if names:
            log.record(
                Verb.FACTOR_REMOVED,
                f"Removed from {user.get_username()}, because set up since the reported login: {', '.join(names)}",
                user=user,
                target=user,
                level=Level.WARNING,
            )
    number = len(names)
    if not number:
        return [LockdownStep(True, "No second factor was set up since that login.")]
    were = "was" if number == 1 else "were"
    return [LockdownStep(True, f"Removed {counted(number, 'second factor')} that {were} set up since that login.")]


def identities(user: AbstractUser, since: dt.datetime) -> list[LockdownStep]:
    """Take away the links to providers that were made since that login began, so that nobody comes back by one."""
    linked = list(Identity.objects.filter(user_id=user.pk, linked_at__gte=since).select_related("user"))
    for identity in linked:
        _unlink(user, identity)
    if not linked:
        return []
    made = f"{counted(len(linked), 'link')} to a provider that {'was' if len(linked) == 1 else 'were'} made"
    return [LockdownStep(True, f"Took away {made} since that login.")]


@retry_while_unavailable
def _unlink(user: AbstractUser, identity: Identity) -> None:
    unlink(user, identity)


@retry_while_unavailable
def devices(user: AbstractUser, since: dt.datetime) -> list[LockdownStep]:
    """Forget the device of that login, and those that were first seen since.

    Otherwise the stranger's browser would be known, and the person would get no mail if it came back.
    """
    with transaction.atomic():
        lock_account_row(user)
        of_login = LoginSession.objects.filter(user_id=user.pk, created_at=since).values("known_device")
        found = Device.objects.filter(Q(first_seen_at__gte=since) | Q(pk__in=of_login), user_id=user.pk)
        names = [str(device) for device in found.order_by("pk")]
        found.delete()
        if names:
            log.record(
                Verb.DEVICE_FORGOTTEN,
                f"Forgot devices of {user.get_username()}, because of the reported login: {', '.join(names)}",
                user=user,
                target=user,
                level=Level.WARNING,
            )
    if not names:
        return []
    were, they = ("was", "It counts") if len(names) == 1 else ("were", "They count")
    text = f"Forgot {counted(len(names), 'device')} that {were} used in that login or since. {they} as new from now on."
    return [LockdownStep(True, text)]


def sessions(user: AbstractUser, since: dt.datetime) -> list[LockdownStep]:
    """Lock what is live, cancel what is about to begin, and end what was requested since that login began."""
    found = PrivilegedSession.objects.filter(user_id=user.pk).not_ended().select_related("user", "profile")
    results = [_stop(user, session, since) for session in found.order_by("pk")]
    sentences = {
        LOCKED: "Locked {} that {} live. Nobody can do anything there until an administrator unlocks.",
        CANCELED: "Canceled {} that {} about to begin.",
        ENDED: "Ended {} that {} requested since that login.",
        WAITS: "{} that {} requested before that login may still begin. Log in, and end what is not yours.",
        REFUSED: "{} {} changed by somebody else at the same moment and not locked. The administrators were told.",
    }
    lines = []
    for result, sentence in sentences.items():
        if number := results.count(result):
            text = sentence.format(counted(number, "privileged session"), "was" if number == 1 else "were")
            lines.append(LockdownStep(result not in (WAITS, REFUSED), text))
    return lines or [LockdownStep(True, "No privileged session was live.")]


def _stop(user: AbstractUser, session: PrivilegedSession, since: dt.datetime, tries: int = 3) -> str:
    """Stop one session in any status. Try again if somebody else changes it at the same time."""
    try:
        return _stop_once(user, session, since)
    except (Refused, LifecycleError):
        return _stop(user, session, since, tries - 1) if tries > 1 else REFUSED


@retry_while_unavailable
def _stop_once(user: AbstractUser, session: PrivilegedSession, since: dt.datetime) -> str:
    with transaction.atomic():
        lock_session_row(session)
        if session.status in (Status.AVAILABLE, Status.LOGGED_IN):
            apply_lock(session, actor=user, title=TITLE, message=MESSAGE)
            return LOCKED
        if session.status == Status.PROVISIONING:
            start_canceling(session, Status.CANCELED, f"{user.get_username()} said: this wasn't me", actor=user)
            return CANCELED
        if session.status not in policy.NOT_BEGUN:
            return UNTOUCHED  # locked, ended, or its rights are being taken away
        if session.requested_at < since:
            return WAITS
        end(user, session, is_accepted=True)
        return ENDED


def certificates(user: AbstractUser, since: dt.datetime) -> list[LockdownStep]:
    """Say what becomes of the certificates that were signed within their time."""
    valid_since = timezone.now() - dt.timedelta(seconds=settings.CERTIFICATE_SECONDS)
    signed = LogEntry.objects.filter(verb=Verb.CERTIFICATE_SIGNED, user_id=user.pk, at__gte=valid_since).count()
    if not signed:
        return [LockdownStep(True, "No SSH certificate of yours is valid.")]
    minutes = max(1, round(settings.CERTIFICATE_SECONDS / 60))
    text = (
        f"{counted(signed, 'SSH certificate')} opened sessions that are locked or over now, whose hosts refuse them. "
        f"The last one expires within {counted(minutes, 'minute')}."
    )
    return [LockdownStep(True, text)]


def about_administrators(told: int | None) -> LockdownStep:
    """Say whether the administrators were alerted. The log tells them in any case."""
    if told is None:
        text = "The administrators could not be mailed. The log of the console has it; tell one of them yourself."
        return LockdownStep(False, text)
    if not told:
        text = "No administrator has an e-mail address. The log of the console has it; tell one of them yourself."
        return LockdownStep(False, text)
    return LockdownStep(True, f"Alerted {counted(told, 'administrator')} by e-mail, and in the log.")


def about_password_link(*, is_sent: bool) -> LockdownStep:
    """Say whether the link for a new password is on its way."""
    if is_sent:
        return LockdownStep(True, "Sent you an e-mail with a link to set a new password.")
    text = "The e-mail with the link for a new password could not be sent. Ask an administrator for a new password."
    return LockdownStep(False, text)
