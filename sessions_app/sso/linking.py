"""Link an account to one at a provider, and take the link away: its owner while logged in, or an administrator."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction

from activity import log
from activity.verbs import Verb
from sessions_app.errors import Forbidden, Refused
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.people.models import Application
from sessions_app.permission import administrator_refusal, role_of
from sessions_app.sso.arrival import link_identity
from sessions_app.sso.models import Identity
from sessions_app.sso.providers import Provider


def link(actor: AbstractUser, user: AbstractUser, provider: Provider, issuer: str, subject: str) -> Identity:
    """Let an account at a provider log in to the account `user`.

    Raise Forbidden if the actor is neither its owner nor an administrator, and Refused for an application and for an
    identity that is linked already.
    """
    _refuse_others(actor, user)
    if Application.objects.filter(principal=user.pk).exists():
        raise Refused("An application never logs in. Nothing was linked.")
    entry = f"Linked {user.get_username()} to “{subject}” of {provider.name}"
    try:
        with transaction.atomic():
            return link_identity(user, provider, issuer, subject, entry, actor=actor)
    except IntegrityError:
        known = Identity.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
        if known is None:
            raise
        whose = "this account" if known.user_id == user.pk else "another account"
        raise Refused(
            f"This subject of {provider.name} is linked to {whose} already. Nothing was changed.", field="subject"
        ) from None


def unlink(actor: AbstractUser, identity: Identity) -> int:
    """Take an identity away, and end the logins that it began. Return how many were ended.

    Raise Forbidden if the actor is neither the owner of the account nor an administrator.
    """
    user = identity.user
    assert isinstance(user, AbstractUser)  # noqa: S101 - for the type checker
    _refuse_others(actor, user)
    return take_away(identity, actor=actor, reason=EndReason.OTHERS if actor.pk == user.pk else EndReason.FORCED)


def take_away(identity: Identity, *, actor: AbstractUser | None, reason: EndReason) -> int:
    """Take an identity away and end the logins that it began, whoever decided it. Return how many were ended."""
    user = identity.user
    assert isinstance(user, AbstractUser)  # noqa: S101 - for the type checker
    with transaction.atomic():
        begun = list(LoginSession.objects.live().filter(by_provider__identity=identity).select_related("user"))
        log.record(
            Verb.IDENTITY_UNLINKED,
            f"Took the link of {user.get_username()} to “{identity.subject}” of {identity.issuer} away",
            actor=actor,
            user=user,
            details={"issuer": identity.issuer, "subject": identity.subject},
        )
        identity.delete()
    return sum(service.end(login, reason, actor=actor) for login in begun)


def _refuse_others(actor: AbstractUser, user: AbstractUser) -> None:
    """Raise Forbidden if `actor` is neither the owner of the account nor an administrator.

    Only a superuser links the account of a superuser, as with passwords.
    """
    if actor.pk == user.pk:
        return
    if reason := administrator_refusal(**role_of(actor)):
        raise Forbidden(reason)
    if user.is_superuser and not actor.is_superuser:
        raise Forbidden("Only a superuser changes how a superuser logs in.")
