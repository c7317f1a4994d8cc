"""Log out one person, a group or everybody else everywhere, without locking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.retries import retry_while_unavailable
from activity.text import plain
from activity.verbs import Verb
from sessions_app import change_notify
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession, LogoutNote
from sessions_app.permission import require_administrator

AT_ONCE = 200  # login sessions of one transaction


def logout_everywhere(
    actor: AbstractUser,
    logins: QuerySet[LoginSession],
    *,
    whom: str,
    note: str = "",
    target: models.Model | None = None,
) -> Iterator[int]:
    """End the live ones of `logins` in steps, and yield after each how many it ended.

    1. Log what begins: `whom` in words, and `target` if that is a person or a group.

    2. End AT_ONCE of them in one transaction with their log entries. Nobody waits long for the database, and an outage
    leaves those ended that were.

    `note` says why, in words of an administrator, and is read at the login page. Raise Forbidden if the actor is no
    administrator.
    """
    require_administrator(actor)
    note = plain(note, 120).strip()
    log.record(
        Verb.LOGOUT_EVERYWHERE,
        f"{actor.get_username()} logged out {whom} everywhere{f': {note}' if note else ''}",
        actor=actor,
        target=target,
        level=Level.WARNING,
        details={"note": note} if note else {},
    )
    last = 0
    ids = logins.filter(ended_at=None).order_by("pk").values_list("pk", flat=True)
    while part := list(ids.filter(pk__gt=last)[:AT_ONCE]):
        yield _end(part, actor=actor, note=note)
        last = part[-1]


@retry_while_unavailable
def _end(pks: Sequence[int], *, actor: AbstractUser, note: str) -> int:
    """End those of these login sessions that are live still. Return how many that were."""
    now = timezone.now()
    with transaction.atomic():
        live = LoginSession.objects.live().filter(pk__in=pks).order_by("pk")
        logins = list(live.select_related("user").select_for_update(of=("self",)))
        ended = {"ended_at": now, "expires_at": None, "end_reason": EndReason.FORCED, "ended_by_id": actor.pk}
        LoginSession.objects.filter(pk__in=[login.pk for login in logins]).update(**ended)
        log.record_all(
            log.draft(
                Verb.LOGOUT_FORCED,
                service.end_in_words(login, EndReason.FORCED) + (f". {note}" if note else ""),
                actor=actor,
                user=login.user,
                target=login,
                details={"reason": EndReason.FORCED.value, **({"note": note} if note else {})},
            )
            for login in logins
        )
        if note:
            LogoutNote.objects.bulk_create(LogoutNote(login=login, text=note) for login in logins)
        change_notify.notify_gateways()
    return len(logins)
