"""Close a resource to new sessions, and open it again. Sessions that are open there continue."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import Resource
from sessions_app.errors import Refused
from sessions_app.permission import clean_text, require_administrator


@retry_while_unavailable
def lock_resource(actor: AbstractUser, resource: Resource, *, title: str, message: str = "") -> ResourceLock:
    """Let no new session start on the resource. Raise Refused if it is closed already, Forbidden without permission."""
    require_administrator(actor)
    title = clean_text(title, "title", 120, required="Enter a title. People who are refused read it.")
    message = clean_text(message, "message", 500)
    lock, is_new = close_resource(resource, actor=actor, title=title, message=message)
    if not is_new:
        raise Refused(f"{resource.name} is closed to new sessions already: {lock.title}.")
    return lock


def close_resource(resource: Resource, *, actor: AbstractUser, title: str, message: str) -> tuple[ResourceLock, bool]:
    """Return the resource's lock that is in force, and whether this call has set it. Checks no permission."""
    with transaction.atomic():
        Resource.objects.select_for_update(no_key=True).get(pk=resource.pk)
        lock, is_new = ResourceLock.objects.get_or_create(
            resource=resource,
            lifted_at=None,
            defaults={"title": title, "message": message, "locked_by_id": actor.pk},
        )
        if is_new:
            log.record(
                Verb.RESOURCE_LOCKED,
                f"{actor.get_username()} closed {resource.name} to new sessions: {title}",
                actor=actor,
                target=resource,
                level=Level.WARNING,
                details={"title": title, "message": message},
            )
    return lock, is_new


def unlock_resource(actor: AbstractUser, resource: Resource, *, lock_id: int | None = None) -> None:
    """Let new sessions start again. With `lock_id` only that lock is lifted.

    Raise Refused if the resource is open, or closed by another lock, and Forbidden without permission.
    """
    require_administrator(actor)
    with transaction.atomic():
        in_force = ResourceLock.objects.in_force().filter(resource=resource)
        mine = in_force if lock_id is None else in_force.filter(pk=lock_id)
        if not mine.update(lifted_at=timezone.now(), lifted_by_id=actor.pk):
            if in_force.exists():
                raise Refused(f"{resource.name} was closed once more since then. It stays closed.")
            raise Refused(f"{resource.name} is open to new sessions already.")
        log.record(
            Verb.RESOURCE_UNLOCKED,
            f"{actor.get_username()} opened {resource.name} to new sessions",
            actor=actor,
            target=resource,
        )
