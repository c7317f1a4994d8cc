"""How second factors are called on pages."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db.models import QuerySet

from sessions_app.factors import webauthn

KINDS = {webauthn.PASSKEY: "Passkey", webauthn.SECURITY_KEY: "Security key"}


def with_labels(factors: QuerySet[Authenticator]) -> list[Authenticator]:
    """Return the factors, each with its kind in words as `label`."""
    rows = list(factors)
    for row in rows:
        row.label = "Authenticator app" if row.type == Authenticator.Type.TOTP else KINDS[row.data["kind"]]
    return rows
