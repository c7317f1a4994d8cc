"""Register and remove a person's SSH public keys. Both are logged with the fingerprint."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.text import plain
from activity.verbs import Verb
from sessions_app.flows.errors import Forbidden, Refused
from sessions_app.flows.permission import hold_account, text
from sessions_app.models import CertificateAuthority, ServiceKey, UserKey
from sessions_app.ssh.keys import BadKey, read_public_key

MOST_KEYS = 20
LONGEST_TITLE = 80  # characters
IN_USE = "This key is in use by somebody else. Nobody shares a key; make your own with: ssh-keygen -t ed25519"


def add_key(actor: AbstractUser, *, title: str, line: str) -> UserKey:
    """Register a public key for oneself. The title is the key's comment when none is given.

    Raises Refused when it is weak, damaged or no public key, is registered already, or the account has 20.
    """
    title = text(title, "title", LONGEST_TITLE)
    try:
        key = read_public_key(line)
    except BadKey as problem:
        raise Refused(str(problem), field="key") from problem
    with transaction.atomic():
        hold_account(actor)
        taken = UserKey.objects.filter(fingerprint=key.fingerprint).first()
        if taken is not None and taken.user_id == actor.pk:
            raise Refused(f"You registered this key already, as “{taken.title}”.", field="key")
        if taken is not None or _is_ours(key.fingerprint):
            raise Refused(IN_USE, field="key")
        if UserKey.objects.filter(user_id=actor.pk).count() >= MOST_KEYS:
            raise Refused(f"You have {MOST_KEYS} keys, and more are not kept. Remove one first.")
        made, is_new = UserKey.objects.get_or_create(
            fingerprint=key.fingerprint,
            defaults={
                "user_id": actor.pk,
                "title": title or plain(key.comment, LONGEST_TITLE) or key.kind,
                "public_key": key.line,
                "kind": key.kind,
            },
        )
        if not is_new:  # somebody else was first, in this very moment
            raise Refused(IN_USE, field="key")
        log.record(
            Verb.KEY_ADDED,
            f"{actor.get_username()} registered the SSH key “{made.title}”, {made.kind}, {made.fingerprint}",
            actor=actor,
            target=actor,
            details={"title": made.title, "kind": made.kind, "fingerprint": made.fingerprint},
        )
    return made


def remove_key(actor: AbstractUser, key: UserKey) -> None:
    """Take one's own key away: no new session and no certificate accepts it. A session that has begun keeps accepting
    it until its end. Raises Refused when it is gone already, Forbidden when it is somebody else's."""
    if key.user_id != actor.pk:
        raise Forbidden("Only the person a key belongs to removes it.")
    with transaction.atomic():
        hold_account(actor)
        deleted, _ = UserKey.objects.filter(pk=key.pk, user_id=actor.pk).delete()
        if not deleted:
            raise Refused("This key was removed already.")
        log.record(
            Verb.KEY_REMOVED,
            f"{actor.get_username()} removed the SSH key “{key.title}”, {key.kind}, {key.fingerprint}",
            actor=actor,
            target=actor,
            details={"title": key.title, "kind": key.kind, "fingerprint": key.fingerprint},
        )


def _is_ours(fingerprint: str) -> bool:
    """Whether the key is one of SessionAdmin's own, whose other half people must not be asked for."""
    mine = (CertificateAuthority.objects, ServiceKey.objects)
    return any(each.filter(fingerprint=fingerprint).exists() for each in mine)
