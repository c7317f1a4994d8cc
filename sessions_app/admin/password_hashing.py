"""Hashes a password that an administrator sets before the transaction that saves it begins.

Hashing is slow on purpose, and SQLite lets nobody else write during a transaction. Django's views begin the transaction
and hash inside it. So the views here validate the form and hash first; the form that Django makes later uses that hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.contrib.auth.hashers import make_password
from django.forms import BaseForm

_ready: ContextVar[tuple[str, str]] = ContextVar("sessions_app_hashed_password")  # the password and its hash


@contextmanager
def hash_password_before(form: BaseForm) -> Iterator[None]:
    """Hash the password in `form` now, and let the forms in this block use the hash. Do nothing for a refused form."""
    if not form.is_valid() or not form.cleaned_data.get("set_usable_password"):
        yield
        return
    password: str = form.cleaned_data["password1"]
    token = _ready.set((password, make_password(password)))
    try:
        yield
    finally:
        _ready.reset(token)


class UsesPreparedHash:
    """A mixin for Django's password forms that saves the hash which `hash_password_before` has made."""

    cleaned_data: dict[str, Any]

    def set_password_and_save(self, user: Any, commit: bool = True, **kwargs: Any) -> Any:
        """Set the password, and save `user` if `commit`. Hash the password here if no hash is ready for it."""
        password, hashed = _ready.get(("", ""))
        if not (self.cleaned_data["set_usable_password"] and hashed and password == self.cleaned_data["password1"]):
            return super().set_password_and_save(user, commit=commit, **kwargs)  # type: ignore[misc]  # of the form
        user.password = hashed
        user._password = password  # as set_password() does, so that save() tells the password validators
        if commit:
            user.save()
        return user


class NewUserForm(UsesPreparedHash, AdminUserCreationForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The form for a new user, with or without a password."""


class SetPasswordForm(UsesPreparedHash, AdminPasswordChangeForm):  # type: ignore[type-arg]  # as above
    """The form by which an administrator sets or removes the password of a user."""
