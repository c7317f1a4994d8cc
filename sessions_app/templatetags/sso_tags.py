"""What the login page shows of single sign-on."""

from __future__ import annotations

import dataclasses
from urllib.parse import urlencode

from django import template
from django.urls import reverse

from sessions_app.login_rules.models import PasswordLogin, SignInSettings
from sessions_app.sso.providers import providers

register = template.Library()


@dataclasses.dataclass(frozen=True)
class SignOnButton:
    name: str
    address: str


@dataclasses.dataclass(frozen=True)
class SignOn:
    """The providers to log in with, and whether passwords are for everybody."""

    buttons: tuple[SignOnButton, ...]
    asks_password: bool


@register.simple_tag
def sign_on(next_url: str) -> SignOn:
    """Return what the login page offers. `next_url` is the page to go to after the login; "" for none in particular."""
    query = f"?{urlencode({'next': next_url})}" if next_url else ""
    buttons = tuple(
        SignOnButton(provider.name, f"{reverse('sso_login', args=[provider.slug])}{query}")
        for provider in providers().values()
    )
    return SignOn(buttons, SignInSettings.current().password_login == PasswordLogin.EVERYBODY)
