"""Computes the hash of a password that the administration gives before the transaction in which it is saved.

Computing it takes as long as somebody guessing should wait, and SQLite lets nobody else write meanwhile. Django's views
begin the transaction and compute the hash within; so the views here ask the form first, and the form that Django makes
later finds the hash ready.
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
def hashed_before(form: BaseForm) -> Iterator[None]:
    """Compute the hash of the password in `form` now, if it is one that will be saved, for the forms in this block."""
    if not form.is_valid() or not form.cleaned_data.get("set_usable_password"):
        yield
        return
    password: str = form.cleaned_data["password1"]
    token = _ready.set((password, make_password(password)))
    try:
        yield
    finally:
        _ready.reset(token)


class TakesReadyHash:
    """Mixed into Django's forms that give a password: uses the hash that is ready for it."""

    cleaned_data: dict[str, Any]

    def set_password_and_save(self, user: Any, commit: bool = True, **kwargs: Any) -> Any:
        """As Django does, which computes the hash when none is ready."""
        password, hashed = _ready.get(("", ""))
        if not (self.cleaned_data["set_usable_password"] and hashed and password == self.cleaned_data["password1"]):
            return super().set_password_and_save(user, commit=commit, **kwargs)  # type: ignore[misc]  # of the form
        user.password = hashed
        user._password = password  # as set_password() does: save() tells the validators of it
        if commit:
            user.save()
        return user


class NewUserForm(TakesReadyHash, AdminUserCreationForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A new user with a password, or with none."""


class GivenPasswordForm(TakesReadyHash, AdminPasswordChangeForm):  # type: ignore[type-arg]  # as above
    """Another password for a user, or none any more."""
