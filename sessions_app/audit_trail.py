"""Writes changes of policy and of roles into the log, old and new value, whoever makes them and wherever.

Listens to Django's model signals, so that the admin, a shell and a flow are treated alike.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, Group
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from activity import log
from activity.verbs import Verb
from sessions_app.logins import backend
from sessions_app.models import AccessPolicy, Activity, Application, ApprovalTier, ConnectionProfile, Resource

POLICY_MODELS: tuple[type[models.Model], ...] = (
    Resource,
    Activity,
    ConnectionProfile,
    ApprovalTier,
    AccessPolicy,
    Application,
    Group,
)
# Of a user only what decides about rights; the password is a verb of its own and never written.
USER_FIELDS = ("username", "email", "is_active", "is_staff", "is_superuser")
ROLE_FIELDS = {"is_staff", "is_superuser"}


def connect() -> None:
    """Called once at start."""
    user_model = get_user_model()
    for model in (*POLICY_MODELS, user_model):
        name = model._meta.label_lower
        pre_save.connect(_remember, sender=model, dispatch_uid=f"audit_remember_{name}")
        post_save.connect(_saved, sender=model, dispatch_uid=f"audit_saved_{name}")
        post_delete.connect(_deleted, sender=model, dispatch_uid=f"audit_deleted_{name}")
        for field in model._meta.many_to_many:
            through = getattr(model, field.name).through
            m2m_changed.connect(_members_changed, sender=through, dispatch_uid=f"audit_members_{name}_{field.name}")


def _actor() -> AbstractBaseUser | None:
    here = backend.carried.get()
    return here.login.user if here is not None and here.login is not None else None


def _fields(model: type[models.Model]) -> list[str]:
    if issubclass(model, AbstractBaseUser):
        return list(USER_FIELDS)
    return [field.attname for field in model._meta.concrete_fields if not field.primary_key]


def _remember(sender: type[models.Model], instance: Any, raw: bool = False, **kwargs: Any) -> None:
    """Before a save: the values in the database. Skipped for fields that the save does not touch."""
    fields = set(_fields(sender))
    update_fields = kwargs.get("update_fields")
    if update_fields is not None:
        fields &= set(update_fields)
    instance._audit_before = None
    if instance.pk is not None and fields and not raw:
        instance._audit_before = sender._default_manager.filter(pk=instance.pk).values(*sorted(fields)).first()


def _saved(sender: type[models.Model], instance: Any, created: bool, raw: bool = False, **kwargs: Any) -> None:
    if raw:
        return
    name = f"{sender._meta.verbose_name} “{instance}”"
    about = instance if isinstance(instance, AbstractBaseUser) else None
    if created:
        values = {field: _text(getattr(instance, field)) for field in _fields(sender)}
        log.record(
            Verb.RECORD_ADDED, f"Added {name}", actor=_actor(), user=about, target=instance, details={"new": values}
        )
        return
    before = getattr(instance, "_audit_before", None) or {}
    changed = {
        field: {"old": _text(old), "new": _text(getattr(instance, field))}
        for field, old in before.items()
        if _text(old) != _text(getattr(instance, field))
    }
    if changed:
        verb = Verb.ROLE_CHANGED if about is not None and ROLE_FIELDS & set(changed) else Verb.RECORD_CHANGED
        log.record(
            verb,
            f"Changed {name}: {', '.join(sorted(changed))}",
            actor=_actor(),
            user=about,
            target=instance,
            details={"changes": changed},
        )


def _deleted(sender: type[models.Model], instance: Any, **kwargs: Any) -> None:
    values = {field: _text(getattr(instance, field)) for field in _fields(sender)}
    log.record(
        Verb.RECORD_DELETED,
        f"Deleted {sender._meta.verbose_name} “{instance}”",
        actor=_actor(),
        target=instance,
        details={"old": values},
    )


def _members_changed(
    sender: type[models.Model],
    instance: Any,
    action: str,
    reverse: bool,
    model: type[models.Model],
    pk_set: set[int] | None,
    **kwargs: Any,
) -> None:
    """Groups of a user, people of a policy or a tier: who came and who went."""
    if action == "pre_clear":
        pk_set = set(_members(sender, instance, reverse))
    elif action not in ("post_add", "post_remove"):
        return
    if not pk_set:
        return
    names = sorted(str(member) for member in model._default_manager.filter(pk__in=pk_set))
    kind = "added" if action == "post_add" else "removed"
    is_role = sender is get_user_model()._meta.get_field("groups").remote_field.through
    about = instance if isinstance(instance, AbstractBaseUser) else None
    log.record(
        Verb.ROLE_CHANGED if is_role else Verb.RECORD_CHANGED,
        f"{instance._meta.verbose_name} “{instance}”: {kind} {model._meta.verbose_name_plural} {', '.join(names)}",
        actor=_actor(),
        user=about,
        target=instance,
        details={kind: names},
    )


def _members(through: type[models.Model], instance: Any, reverse: bool) -> list[int]:
    """The ids on the other side of a many-to-many table, before it is cleared."""
    ours, theirs = None, None
    for field in through._meta.concrete_fields:
        if isinstance(field, models.ForeignKey):
            if isinstance(instance, field.related_model) and ours is None:
                ours = field
            else:
                theirs = field
    if ours is None or theirs is None:
        return []
    return list(through._default_manager.filter(**{ours.name: instance}).values_list(theirs.attname, flat=True))


def _text(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | str) else str(value)
