"""Tags for pages that ask for a second factor."""

from django import template
from django.http import HttpRequest

from sessions_app.factors import webauthn

register = template.Library()


@register.filter
def takes_keys(request: HttpRequest) -> bool:
    """Return whether security keys and passkeys work at this address of the console."""
    return not webauthn.why_impossible(request)
