"""Show and copy a secret of a vault: only for the session's own user, and only while the session is available.

The content is part of one response and is stored nowhere else. The log gets the name of the secret.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import Platform
from sessions_app.errors import Forbidden, Refused
from sessions_app.permission import lock_account_row
from sessions_app.privileged.flows.permission import lock_session_row
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.roles import Person
from sessions_app.sealing import SealingError
from sessions_app.vault.models import Secret

logger = logging.getLogger(__name__)

SHOWN_WHILE = frozenset({Status.AVAILABLE, Status.LOGGED_IN})
VIEWS_A_MINUTE = 30  # for one person in all their sessions; the same limit holds for copies
COPY_GRACE = dt.timedelta(seconds=60)  # from the end of a view until its copy must have been reported


@dataclasses.dataclass(frozen=True, slots=True)
class RevealedSecret:
    """A decrypted secret for one response."""

    name: str
    content: str = dataclasses.field(repr=False)
    seconds: int  # how long it is shown


def is_vault_of(person: Person, session: PrivilegedSession) -> bool:
    """Return whether this is the person's own session of a vault. Nobody else ever sees its secrets."""
    return session.resource.platform == Platform.VAULT and session.user_id == person.pk


def why_hidden(session: PrivilegedSession) -> str:
    """Return why the session shows no secrets now; an empty string if it shows them."""
    if session.status not in SHOWN_WHILE:
        return f"Secrets are shown while the session is available. It is {Status(session.status).label} now."
    if session.end_at is None or session.end_at <= timezone.now():
        return "This session has reached its end."
    return ""


def seconds_of_view(session: PrivilegedSession) -> int:
    """Return for how many seconds the profile lets a secret be shown; at least one."""
    return max(session.profile.secret_view_timeout, 1)


def secrets_of(session: PrivilegedSession) -> QuerySet[Secret]:
    """Return the secrets of the session's vault, sorted by name and without their content."""
    return Secret.objects.filter(resource_id=session.resource_id).defer("sealed").order_by("name")


@sensitive_variables()
def view(actor: AbstractUser, session: PrivilegedSession, secret: Secret) -> RevealedSecret:
    """Decrypt one secret, and log it in the same transaction.

    Raise Forbidden if it is not the actor's own session of a vault. Raise Refused if the session shows no secrets now,
    if the actor has viewed secrets too often, or if the secret cannot be decrypted.
    """
    with transaction.atomic():
        _require(actor, session, secret)
        if reason := why_hidden(session):
            raise Refused(reason)
        _count(actor, Verb.SECRET_VIEWED)
        left = (session.end_at - timezone.now()).total_seconds() if session.end_at else 0
        seconds = max(min(seconds_of_view(session), int(left)), 1)
        secret.refresh_from_db()
        shown = RevealedSecret(secret.name, _open(secret), seconds)
        _record(Verb.SECRET_VIEWED, actor, session, secret, f"viewed the secret “{secret.name}” for {seconds} s")
    return shown


def note_copy(actor: AbstractUser, session: PrivilegedSession, secret: Secret) -> None:
    """Log that the actor copied a secret that was on their screen.

    This is logged even if the session was locked or ended in the meantime. Raise Forbidden as view() does. Raise
    Refused if the secret was not viewed just before, or was copied too often.
    """
    with transaction.atomic():
        _require(actor, session, secret)
        since = timezone.now() - dt.timedelta(seconds=seconds_of_view(session)) - COPY_GRACE
        views = LogEntry.objects.of_target(session).filter(
            verb=Verb.SECRET_VIEWED, actor_id=actor.pk, at__gte=since, details__secret=secret.pk
        )
        if not views.exists():
            raise Refused("This secret was not on your screen. Show it first, then copy it.")
        _count(actor, Verb.SECRET_COPIED)
        _record(Verb.SECRET_COPIED, actor, session, secret, f"copied the secret “{secret.name}”")


def _require(actor: AbstractUser, session: PrivilegedSession, secret: Secret) -> None:
    """Lock the rows of the account and of the session, and raise Forbidden if the secret is not the actor's to see.

    The row of the account is locked first, so that the views of one person are counted one after the other.
    """
    lock_account_row(actor)
    lock_session_row(session)
    if not is_vault_of(actor, session) or secret.resource_id != session.resource_id:
        raise Forbidden("Only the user of a session sees its secrets.")


def _count(actor: AbstractUser, verb: Verb) -> None:
    """Raise Refused if the actor did this too often within a minute. The entries of the log are the count."""
    minute_ago = timezone.now() - dt.timedelta(minutes=1)
    if LogEntry.objects.filter(actor_id=actor.pk, at__gt=minute_ago, verb=verb).count() >= VIEWS_A_MINUTE:
        raise Refused(f"You did this {VIEWS_A_MINUTE} times within a minute, which is the limit. Wait a minute.")


def _open(secret: Secret) -> str:
    try:
        return secret.open()
    except SealingError as error:
        logger.error("Secret %s (%s) cannot be opened: %s", secret.pk, secret.name, error)
        raise Refused("This secret cannot be opened. Tell an administrator: the server's own log says why.") from None


def _record(verb: Verb, actor: AbstractUser, session: PrivilegedSession, secret: Secret, what: str) -> None:
    log.record(
        verb,
        f"{actor.get_username()} {what}",
        actor=actor,
        user=session.user,
        target=session,
        details={"secret": secret.pk, "name": secret.name},
    )
