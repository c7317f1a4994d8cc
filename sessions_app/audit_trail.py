"""Writes each change of policies and of roles into the log, with old and new value.

Listens to Django's model signals, so that changes by the admin, by a shell and by a flow are all logged. An entry keeps
the names that were true at the time, because objects are renamed and deleted later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, Group
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from activity import log
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.hosts.models import ServiceKey
from sessions_app.login_rules.models import LoginRule, SignInSettings
from sessions_app.logins import backend
from sessions_app.people.models import Application, PersonalSettings
from sessions_app.sealing import SealedField
from sessions_app.siem.models import Destination
from sessions_app.vault.models import Secret

POLICY_MODELS: tuple[type[models.Model], ...] = (
    Resource,
    Activity,
    ConnectionProfile,
    ApprovalTier,
    AccessPolicy,
    Application,
    Secret,
    Group,
    ServiceKey,
    PersonalSettings,
    SignInSettings,
    LoginRule,
    Destination,
)
# Only the fields of a user that decide about rights. A new password has a verb of its own and is never written.
USER_FIELDS = ("username", "email", "is_active", "is_staff", "is_superuser")
ROLE_FIELDS = {"is_staff", "is_superuser"}


def connect() -> None:
    """Connect the signal handlers. SessionsAppConfig.ready calls this once."""
    user_model = get_user_model()
    for model in (*POLICY_MODELS, user_model):
        name = model._meta.label_lower
        pre_save.connect(_remember, sender=model, dispatch_uid=f"audit_remember_{name}")
        post_save.connect(_saved, sender=model, dispatch_uid=f"audit_saved_{name}")
        pre_delete.connect(_remember_all, sender=model, dispatch_uid=f"audit_remember_all_{name}")
        post_delete.connect(_deleted, sender=model, dispatch_uid=f"audit_deleted_{name}")
        for field in model._meta.many_to_many:
            through = getattr(model, field.name).through
            m2m_changed.connect(_members_changed, sender=through, dispatch_uid=f"audit_members_{name}_{field.name}")


def _actor() -> AbstractBaseUser | None:
    here = backend.request_login.get()
    return here.login.user if here is not None and here.login is not None else None


def _fields(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    names = USER_FIELDS if issubclass(model, AbstractBaseUser) else None
    concrete = [field for field in model._meta.concrete_fields if not field.primary_key]
    logged = [field for field in concrete if field.editable or isinstance(field, SealedField)]
    return [field for field in logged if names is None or field.name in names]


def _remember(sender: type[models.Model], instance: Any, raw: bool = False, **kwargs: Any) -> None:
    """Store the values in the database before a save, for the fields that the save writes."""
    columns = {field.attname for field in _fields(sender)}
    update_fields = kwargs.get("update_fields")
    if update_fields is not None:
        columns = {field.attname for field in _fields(sender) if {field.name, field.attname} & set(update_fields)}
    instance._audit_before = None
    if instance.pk is not None and columns and not raw:
        instance._audit_before = sender._default_manager.filter(pk=instance.pk).values(*sorted(columns)).first()


def _saved(sender: type[models.Model], instance: Any, created: bool, raw: bool = False, **kwargs: Any) -> None:
    if raw:
        return
    name = f"{sender._meta.verbose_name} “{instance}”"
    about = instance if isinstance(instance, AbstractBaseUser) else None
    if created:
        details = {"new": _values(instance)}
        log.record(Verb.RECORD_ADDED, f"Added {name}", actor=_actor(), user=about, target=instance, details=details)
        return
    before = instance._audit_before or {}
    changed = {
        field.name: {"old": _shown(field, before[field.attname]), "new": _shown(field, value)}
        for field in _fields(sender)
        if field.attname in before and _text(before[field.attname]) != _text(value := getattr(instance, field.attname))
    }
    if changed:
        verb = Verb.ROLE_CHANGED if about is not None and ROLE_FIELDS & set(changed) else Verb.RECORD_CHANGED
        log.record(
            verb,
            _changed(instance, name, changed),
            actor=_actor(),
            user=about,
            target=instance,
            details={"changes": changed},
        )


def _changed(instance: models.Model, name: str, changed: dict[str, dict[str, object]]) -> str:
    """Return the sentence that describes a change.

    It has the old and the new name of a renamed object, because the search does not look into the details of an entry.
    """
    name_field = get_user_model().USERNAME_FIELD if isinstance(instance, AbstractBaseUser) else "name"
    renamed, others = changed.get(name_field), ", ".join(sorted(changed.keys() - {name_field}))
    if renamed is None:
        return f"Changed {name}: {others}"
    more = f"; changed {others}" if others else ""
    return f"Renamed {instance._meta.verbose_name} “{renamed['old']}” to “{renamed['new']}”{more}"


def _remember_all(sender: type[models.Model], instance: Any, **kwargs: Any) -> None:
    """Store all values and related names before a deletion, after which they cannot be read."""
    lists = {field.name: _names(getattr(instance, field.name).all()) for field in sender._meta.many_to_many}
    if isinstance(instance, Group):
        lists["users"] = _names(get_user_model()._default_manager.filter(groups=instance))
    instance._audit_old = _values(instance) | {name: members for name, members in lists.items() if members}
    instance._audit_name = str(instance)


def _deleted(sender: type[models.Model], instance: Any, **kwargs: Any) -> None:
    log.record(
        Verb.RECORD_DELETED,
        f"Deleted {sender._meta.verbose_name} “{instance._audit_name}”",
        actor=_actor(),
        target=instance,
        details={"old": instance._audit_old},
    )


def _members_changed(
    sender: type[models.Model],
    instance: Any,
    action: str,
    model: type[models.Model],
    pk_set: set[int] | None,
    **kwargs: Any,
) -> None:
    """Log who was added to or removed from a many-to-many relation, such as the groups of a user."""
    if action == "pre_clear":
        pk_set = set(_members(sender, instance))
    elif action not in ("post_add", "post_remove"):
        return
    if not pk_set:
        return
    members = list(model._default_manager.filter(pk__in=pk_set))
    kind = "added" if action == "post_add" else "removed"
    if sender is get_user_model()._meta.get_field("groups").remote_field.through:
        _record_roles(instance, members, kind)
        return
    names = _names(members)
    what = model._meta.verbose_name_plural
    log.record(
        Verb.RECORD_CHANGED,
        f"Changed {instance._meta.verbose_name} “{instance}”: {kind} {what} {', '.join(names)}",
        actor=_actor(),
        user=instance if isinstance(instance, AbstractBaseUser) else None,
        target=instance,
        details={kind: {str(what): names}},
    )


def _record_roles(instance: Any, members: list[Any], kind: str) -> None:
    """Log one entry for each person whose groups have changed, from whichever side they were changed."""
    people, groups = ([instance], members) if isinstance(instance, AbstractBaseUser) else (members, [instance])
    names = _names(groups)
    for person in people:
        log.record(
            Verb.ROLE_CHANGED,
            f"Changed user “{person}”: {kind} {'to' if kind == 'added' else 'from'} groups {', '.join(names)}",
            actor=_actor(),
            user=person,
            target=person,
            details={kind: {"groups": names}},
        )


def _members(through: type[models.Model], instance: Any) -> Iterable[int]:
    """Return the primary keys on the other side of a many-to-many relation, before it is cleared."""
    keys = [field for field in through._meta.concrete_fields if isinstance(field, models.ForeignKey)]
    ours = next(field for field in keys if field.related_model is type(instance))
    theirs = next(field for field in keys if field is not ours)
    return through._default_manager.filter(**{ours.name: instance}).values_list(theirs.attname, flat=True)


def _names(objects: Iterable[object]) -> list[str]:
    return sorted(str(one) for one in objects)


def _values(instance: models.Model) -> dict[str, object]:
    return {field.name: _shown(field, getattr(instance, field.attname)) for field in _fields(type(instance))}


def _shown(field: models.Field[Any, Any], value: object) -> object:
    """Return a value as it stands in the log.

    A foreign key is written as the name of its object, and a sealed value as “(sealed)”.
    """
    if isinstance(field, SealedField):
        return "(sealed)"
    if value is not None and isinstance(field, models.ForeignKey):
        related: type[models.Model] = field.related_model
        return str(related._default_manager.filter(pk=value).first() or value)
    return _text(value)


def _text(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | str) else str(value)
