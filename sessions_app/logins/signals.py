"""Handlers of Django's signals that begin and end login sessions: login, logout, new passwords, disabled accounts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_save, pre_save
from django.http import HttpRequest
from django.utils import timezone

from activity import log
from activity.verbs import Verb
from sessions_app import change_notify
from sessions_app.login_rules.models import ReenabledAccount
from sessions_app.logins import backend, initial_passwords, service
from sessions_app.logins.models import EndReason


def connect() -> None:
    """Connect the handlers. SessionsAppConfig.ready calls this once."""
    user_logged_in.connect(_logged_in, dispatch_uid="login_session_begin")
    user_logged_out.connect(_logged_out, dispatch_uid="login_session_end")
    pre_save.connect(_remember_credentials, sender=get_user_model(), dispatch_uid="login_session_remember")
    post_save.connect(_end_after_change, sender=get_user_model(), dispatch_uid="login_session_end_after_change")


def _logged_in(request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    if (login := service.begin(request, user)) is not None:
        initial_passwords.begin(request, login)


def _logged_out(request: HttpRequest, user: AbstractBaseUser | None, **kwargs: Any) -> None:
    here = backend.request_login.get()
    if user is not None and here is not None and here.login is not None:
        service.end(here.login, EndReason.LOGOUT, actor=user)


def _remember_credentials(
    instance: Any, raw: bool = False, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    """Store password and activeness before a user is saved, if the save can change them."""
    instance._before = None
    if raw or instance.pk is None or (update_fields is not None and not {"password", "is_active"} & set(update_fields)):
        return
    model = type(instance)
    instance._before = model._default_manager.filter(pk=instance.pk).values("password", "is_active").first()


def _end_after_change(
    instance: Any, created: bool = False, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    """End the user's other login sessions after a new password, and all after the account was disabled.

    Note who chose the password, and when an account was enabled again, which counts as a use of it.
    """
    here = backend.request_login.get()
    mine = here.login if here is not None else None
    actor = mine.user if mine is not None else None
    if created and actor is not None:
        initial_passwords.note(instance, actor)
    before = getattr(instance, "_before", None)
    if before is None:
        return
    own = mine if mine is not None and mine.user_id == instance.pk else None
    name = instance.get_username()
    if before["password"] != instance.password:
        if _is_same_password_hashed_anew(instance, update_fields):
            # Django refuses the other browsers from now on, because their sessions hold a hash of the old one.
            log.record(Verb.RECORD_CHANGED, f"The password of {name} was hashed again and is unchanged", user=instance)
            service.end_all(instance, EndReason.EXPIRED, actor=None, keep=own)
        else:
            log.record(Verb.PASSWORD_CHANGED, f"Password of {name} was changed", actor=actor, user=instance)
            initial_passwords.note(instance, actor)
            service.end_all(instance, EndReason.PASSWORD, actor=actor, keep=own)
    if not before["is_active"] and instance.is_active:
        ReenabledAccount.objects.update_or_create(user_id=instance.pk, defaults={"enabled_at": timezone.now()})
    if before["is_active"] and not instance.is_active:
        service.end_all(instance, EndReason.DISABLED, actor=actor)
        change_notify.notify_gateways()  # a user of an SSH client may have no login session


def _is_same_password_hashed_anew(user: Any, update_fields: frozenset[str] | None) -> bool:
    """Return whether Django has only hashed the same password again with a stronger hash.

    At a login Django then saves the password field alone (AbstractBaseUser.check_password).
    """
    return update_fields == frozenset({"password"}) and user._password is None and is_password_usable(user.password)
