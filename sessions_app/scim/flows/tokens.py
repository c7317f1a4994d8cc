"""Make and revoke the token of an identity provider."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.permission import require_administrator
from sessions_app.scim.models import ScimToken
from sessions_app.scim.tokens import new_token


@retry_while_unavailable
def make_token(
    actor: AbstractUser, name: str, expires_at: dt.datetime | None, provider: str = ""
) -> tuple[ScimToken, str]:
    """Make a token, and return its row and the token itself, which nobody can read again. Raise Forbidden."""
    require_administrator(actor)
    text, hashed = new_token()
    with transaction.atomic():
        token = ScimToken.objects.create(
            name=name, token_hash=hashed, created_by_id=actor.pk, expires_at=expires_at, provider=provider
        )
        log.record(
            Verb.SCIM_TOKEN_MADE,
            f"{actor.get_username()} made the SCIM token “{name}”",
            actor=actor,
            target=token,
            level=Level.WARNING,
            details={"expires": expires_at.isoformat() if expires_at else None, "provider": provider},
        )
    return token, text


@retry_while_unavailable
def revoke_token(actor: AbstractUser, token: ScimToken) -> None:
    """Revoke the token, which counts from the next request on. Raise Refused if it is revoked, and Forbidden."""
    require_administrator(actor)
    with transaction.atomic():
        now = timezone.now()
        if not ScimToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now, revoked_by=actor.pk):
            raise Refused(f"The SCIM token “{token}” is revoked already.")
        log.record(
            Verb.SCIM_TOKEN_REVOKED,
            f"{actor.get_username()} revoked the SCIM token “{token}”",
            actor=actor,
            target=token,
            level=Level.WARNING,
        )
