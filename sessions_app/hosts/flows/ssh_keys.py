"""Register and remove a person's SSH public keys. Both are logged with the fingerprint."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.text import plain
from activity.verbs import Verb
from sessions_app import change_notify
from sessions_app.errors import Forbidden, Refused
from sessions_app.hosts.models import CertificateAuthority, ServiceKey, UserKey
from sessions_app.hosts.ssh.keys import BadKey, PublicKey, read_public_key
from sessions_app.people.models import Application
from sessions_app.permission import clean_text, lock_account_row
from sessions_app.roles import is_administrator

MOST_KEYS = 20
LONGEST_TITLE = 80  # characters
IN_USE = "This key is in use by somebody else. Keys are not shared; make your own with: ssh-keygen -t ed25519"


def require_unused_key(person: AbstractUser, line: str) -> PublicKey:
    """Return the key in `line`, which `person` has registered, or nobody.

    Raise Refused for the field `key` if it is weak, damaged, no public key, somebody else's, or one of SessionAdmin's
    own.
    """
    try:
        key = read_public_key(line)
    except BadKey as problem:
        raise Refused(str(problem), field="key") from problem
    others = UserKey.objects.filter(fingerprint=key.fingerprint).exclude(user_id=person.pk)
    if others.exists() or _is_ours(key.fingerprint):
        raise Refused(IN_USE, field="key")
    return key


def check_key(owner: AbstractUser, line: str) -> PublicKey:
    """Return the key in `line` if `owner` may register it.

    Raise Refused for the field `key` if it is weak, damaged, no public key, or registered already. Raise Refused
    without a field if the account has the maximum number of keys.
    """
    key = require_unused_key(owner, line)
    taken = UserKey.objects.filter(fingerprint=key.fingerprint, user_id=owner.pk).first()
    if taken is not None:
        raise Refused(f"This key is registered already, as “{taken.title}”.", field="key")
    if UserKey.objects.filter(user_id=owner.pk).count() >= MOST_KEYS:
        raise Refused(f"There are {MOST_KEYS} keys already, which is the limit. Remove one first.")
    return key


def add_key(actor: AbstractUser, *, title: str, line: str, owner: AbstractUser | None = None) -> UserKey:
    """Register a public key for oneself, or as an administrator for an application (`owner`).

    Applications cannot log in to the console. Without a title the comment of the key is used. Raise Forbidden, and
    Refused as check_key() does.
    """
    owner = owner or actor
    if owner.pk != actor.pk and not (
        is_administrator(actor) and Application.objects.filter(principal=owner.pk).exists()
    ):
        raise Forbidden("People register their keys themselves; administrators register those of applications.")
    title = clean_text(title, "title", LONGEST_TITLE)
    with transaction.atomic():
        lock_account_row(owner)
        key = check_key(owner, line)
        made, is_new = UserKey.objects.get_or_create(
            fingerprint=key.fingerprint,
            defaults={
                "user_id": owner.pk,
                "title": title or plain(key.comment, LONGEST_TITLE) or key.kind,
                "public_key": key.line,
                "kind": key.kind,
            },
        )
        if not is_new:  # somebody else has registered it at the same moment
            raise Refused(IN_USE, field="key")
        _record(Verb.KEY_ADDED, "registered", actor, made)
    return made


def remove_key(actor: AbstractUser, key: UserKey) -> None:
    """Remove a key, so that no new session, certificate or gateway accepts it, and cut the connections that used it.

    The host of an open session accepts it until the end of the session. Raise Refused if it is removed already, and
    Forbidden unless it is one's own key or one is an administrator.
    """
    if key.user_id != actor.pk and not is_administrator(actor):
        raise Forbidden("Only the person a key belongs to, or an administrator, removes it.")
    with transaction.atomic():
        lock_account_row(key.user)
        deleted, _ = UserKey.objects.filter(pk=key.pk, user_id=key.user_id).delete()
        if not deleted:
            raise Refused("This key was removed already.")
        _record(Verb.KEY_REMOVED, "removed", actor, key)
        change_notify.notify_gateways()


def _record(verb: Verb, done: str, actor: AbstractUser, key: UserKey) -> None:
    whose = "" if key.user_id == actor.pk else f" of {key.user.get_username()}"
    log.record(
        verb,
        f"{actor.get_username()} {done} the SSH key “{key.title}”{whose}, {key.kind}, {key.fingerprint}",
        actor=actor,
        user=key.user,
        target=key.user,
        details={"title": key.title, "kind": key.kind, "fingerprint": key.fingerprint},
    )


def _is_ours(fingerprint: str) -> bool:
    """Return whether the key is one of SessionAdmin's own, whose private half people must not be asked for."""
    mine = (CertificateAuthority.objects, ServiceKey.objects)
    return any(each.filter(fingerprint=fingerprint).exists() for each in mine)
