"""How somebody confirms at a provider of single sign-on, which sessions_app/sso hands in when Django starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from django.contrib.auth.models import AbstractUser

PARKED = "parked"  # the form that waits, sealed (parking.py), in what is sent to a provider's address


@dataclasses.dataclass(frozen=True, slots=True)
class ProviderWay:
    """The provider where a person can confirm: its name, and the address here that leads there."""

    name: str
    action: str


_find: list[Callable[[AbstractUser], ProviderWay | None]] = []


def provide(find: Callable[[AbstractUser], ProviderWay | None]) -> None:
    """Say how the provider of a person is found."""
    _find[:] = [find]


def provider_of(user: AbstractUser) -> ProviderWay | None:
    """Return where this person can confirm; None for somebody who is linked to no provider."""
    return next((find(user) for find in _find), None)
