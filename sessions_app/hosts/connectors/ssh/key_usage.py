"""Logs which key opened a session's account and from where, and stores when a registered key was last used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from activity import log
from activity.models import Level
from activity.text import plain
from activity.verbs import Verb
from sessions_app.hosts.connectors.ssh.sshd_log import LoginTrace, SshdLogin
from sessions_app.hosts.models import CertificateAuthority, UserKey
from sessions_app.privileged.models import PrivilegedSession

METHODS = {"password": "a password", "keyboard-interactive/pam": "a password", "hostbased": "the trust in their host"}
NO_LOG = (
    "{host} keeps no log of its logins that can be read here (journal, auth.log, secure), so which key is used cannot "
    "be said."
)


def note(
    session: PrivilegedSession, before: Mapping[str, Any], traces: Mapping[int, LoginTrace] | None
) -> dict[str, Any]:
    """Log each key and address that logged in to the session's account since the last look.

    Call it in the transaction that stores how far the host's log was read. Return what to store until the next look:
    how far it was read, and through what the newest login came.
    """
    state = {name: before[name] for name in ("read", "through", "address", "has_no_log") if name in before}
    if traces is None:
        if not state.get("has_no_log"):
            log.record(
                Verb.CONNECTOR_STEP, NO_LOG.format(host=session.resource_name), user=session.user, target=session
            )
        return state | {"has_no_log": True}
    trace = traces.get(session.pk)
    if trace is None:  # the answer was cut off, so the log is read again
        return state
    for login, times in Counter(trace.logins).items():
        through = _record(session, login, times)
        state |= {"through": through, "address": login.address}
    return state | {"read": trace.position}


def _record(session: PrivilegedSession, login: SshdLogin, times: int) -> str:
    """Log a login, and return in words through what it came."""
    key = UserKey.objects.filter(fingerprint=login.key, user=session.user_id).first() if login.key else None
    if key is not None:
        key.last_used_at = timezone.now()
        key.save(update_fields=["last_used_at"])
    is_ours, through = _through(session, login, key)
    often = f", {times} times" if times > 1 else ""
    with log.coming_from(login.address):
        log.record(
            Verb.KEY_USED,
            f"{session.login_account} on {session.resource_name} was opened with {through} from {login.address}{often}",
            user=session.user,
            target=session,
            level=Level.INFO if is_ours else Level.WARNING,
            details={
                "method": login.method,
                "key": login.key,
                "title": key.title if key else "",
                "certificate": login.name,
                "serial": login.serial,
                "address": login.address,
                "times": times,
            },
        )
    return through


def _through(session: PrivilegedSession, login: SshdLogin, key: UserKey | None) -> tuple[bool, str]:
    """Return whether this session gave the key or certificate, and its name for people."""
    if not login.key:
        return False, METHODS.get(login.method, f"the method {login.method}")
    if login.authority:
        is_ours = CertificateAuthority.objects.filter(fingerprint=login.authority).exists()
        whose = "" if is_ours else "another authority's "
        named = f" for the key “{key.title}”" if key else ""
        name = plain(login.name, 100)
        return is_ours, f"{whose}certificate {name} (serial {login.serial}){named}, {login.key}"
    if key is not None:
        return True, f"the key “{key.title}” ({login.key})"
    return False, f"a key that {session.user_name} has not registered ({login.key})"
