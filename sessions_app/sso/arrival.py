"""What happens once a provider has said who somebody is, whatever it speaks: find the account, set its groups, log in.

An account is found by issuer and subject, never by a name or an address.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from allauth.account.internal.flows.login import (
    perform_login,
    record_authentication,
)
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import Login
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from activity import log
from activity.models import Level, Outcome
from activity.once import record_once
from activity.text import plain
from activity.verbs import Verb
from sessions_app.people.models import AccountLock, Application
from sessions_app.sealing import NoKey, seal
from sessions_app.sso.errors import SignOnFailed
from sessions_app.sso.groups import groups_by_claim, has_role, set_groups
from sessions_app.sso.models import Identity
from sessions_app.sso.providers import Provider

logger = logging.getLogger(__name__)
METHOD = "socialaccount"  # as allauth names the step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arrival:
    """Who somebody is at a provider, after every check. Times are seconds since 1970."""

    issuer: str
    subject: str
    claims: Mapping[str, Any] = dataclasses.field(repr=False)
    session_id: str = ""  # of the session at the provider
    id_token: str = dataclasses.field(default="", repr=False)
    authenticated_at: float | None = None  # when the person last gave a factor there, if the provider says so
    has_second_factor: bool = False  # what the person gave there counts as the second factor


def log_in(request: HttpRequest, provider: Provider, arrival: Arrival, next_url: str) -> HttpResponse:
    """Log in the account of an identity, after a local second factor where one is still due.

    Raise SignOnFailed, with a log entry, if the identity has no account, the account is closed or has no role.
    """
    identity = identity_of(arrival) or _create_account(provider, arrival)
    user = identity.user
    assert isinstance(user, AbstractUser)  # noqa: S101 - for the type checker
    _refuse_closed(user, provider)
    wanted = groups_by_claim(provider, arrival.claims)
    if wanted is not None:
        set_groups(user, provider, wanted)
        if not has_role(user, provider):
            raise refusal(
                f"{provider.name} gives you no role here",
                "None of your groups there has a role in this console. You are not logged in. Ask an administrator "
                f"of {provider.name} to put you into a group that has one.",
                f"A login as {user.get_username()} by {provider.name} was refused: no group there gives a role",
                user=user,
            )
    Identity.objects.filter(pk=identity.pk).update(last_login_at=timezone.now())
    clear_login(request)
    record_authentication(request, user, METHOD, **_record(provider, identity, arrival))
    response: HttpResponse = perform_login(request, Login(user=user, redirect_url=next_url))
    return response


def identity_of(arrival: Arrival) -> Identity | None:
    known = Identity.objects.select_related("user")
    return known.filter(issuer=arrival.issuer, subject=arrival.subject).first()


MOST_OF_STRANGERS = 100  # entries within 15 minutes


def refusal(
    heading: str,
    message: str,
    entry: str,
    *,
    user: AbstractUser | None = None,
    outcome: Outcome = Outcome.DENIED,
) -> SignOnFailed:
    """Write `entry` into the log, and return the exception for the person.

    `outcome` is a failure where nobody knows who it is, because the answer of the provider was not accepted.
    """
    record_refusal(entry, user=user, outcome=outcome)
    return SignOnFailed(heading, message)


def record_refusal(entry: str, *, user: AbstractUser | None = None, outcome: Outcome) -> None:
    if user is not None:
        log.record(Verb.LOGIN_FAILED, plain(entry, 900), user=user, level=Level.WARNING, outcome=outcome)
    else:  # strangers must not be able to fill the log
        record_once(Verb.LOGIN_FAILED, plain(entry, 900), level=Level.WARNING, outcome=outcome, most=MOST_OF_STRANGERS)


def _record(provider: Provider, identity: Identity, arrival: Arrival) -> dict[str, Any]:
    """Return what is kept in the session about this step until the login session begins (signals.py)."""
    at = arrival.authenticated_at
    try:
        sealed = seal(arrival.id_token.encode()) if arrival.id_token else ""
    except NoKey:  # then the logout at the provider asks the person whom it is about
        sealed = ""
    return {
        "provider": provider.name,
        "slug": provider.slug,
        "identity": identity.pk,
        "session_id": arrival.session_id,
        "id_token": sealed,
        "issued_at": arrival.claims.get("iat"),
        "confirmed_at": min(at, timezone.now().timestamp()) if at is not None else None,
        "second_factor": arrival.has_second_factor or None,
    }


def _refuse_closed(user: AbstractUser, provider: Provider) -> None:
    """Raise SignOnFailed for an account that is disabled, locked or an application's."""
    why, message = "", "You are not logged in. An administrator can open it again."
    lock = AccountLock.objects.in_force().filter(user_id=user.pk).first()
    if not user.is_active or Application.objects.filter(principal=user.pk).exists():
        why = "This account is disabled"
    elif lock is not None:
        why, message = "This account is locked", f"{f'{lock.title}. {lock.message}'.rstrip('. ')}. {message}"
    if why:
        entry = f"A login as {user.get_username()} by {provider.name} was refused: {why.lower()}"
        raise refusal(why, message, entry, user=user)


def _create_account(provider: Provider, arrival: Arrival) -> Identity:
    """Create the account of an identity that has none, if the settings of the provider say so.

    Raise SignOnFailed otherwise, and where the account could not be used or its name is taken.
    """
    who = f"A login by {provider.name} as “{arrival.subject}”"
    if not provider.creates_accounts:
        raise refusal(
            "No account here belongs to you yet",
            f"{provider.name} knows you, and this console does not. You are not logged in. If you have an account "
            "here, log in with your password and link the two under “Your account”, or ask an administrator to do it.",
            f"{who} was refused: no account is linked to it. Link one on the page of the person, under Single sign-on",
        )
    wanted = groups_by_claim(provider, arrival.claims)
    user = _new_user(provider, arrival, who)
    try:
        with transaction.atomic():
            user.save()
            entry = f"Created the account {user.username} at its first login by {provider.name}"
            identity = link_identity(user, provider, arrival.issuer, arrival.subject, entry, actor=None)
            if wanted is not None:
                set_groups(user, provider, wanted)
                if not has_role(user, provider):
                    raise _NoRole  # which takes the account back
    except _NoRole:
        raise refusal(
            f"{provider.name} gives you no role here",
            "None of your groups there has a role in this console. No account was made, and you are not logged in. "
            f"Ask an administrator of {provider.name} to put you into a group that has one.",
            f"{who} was refused: no group there gives a role. No account was made",
        ) from None
    except IntegrityError as error:  # somebody else was created at the same moment
        known = identity_of(arrival)
        if known is None:
            raise _taken(provider, user.username, who) from error
        return known
    return identity


class _NoRole(Exception):
    """The new account would have no role."""


def _new_user(provider: Provider, arrival: Arrival, who: str) -> AbstractUser:
    """Return the account to be saved. Raise SignOnFailed if its name cannot be used or is taken."""
    claims = arrival.claims
    users = get_user_model()
    name = claims.get(provider.username_claim)
    user = users(
        username=users.normalize_username(name) if isinstance(name, str) else "",
        first_name=plain(str(claims.get("given_name") or ""), 150),
        last_name=plain(str(claims.get("family_name") or ""), 150),
        email=str(claims.get("email") or "")[:254],
    )
    user.set_unusable_password()
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        wrong = ", ".join(sorted(error.message_dict))
        entry = f"{who} was refused: no account can be made from its claims ({wrong})"
        raise refusal("No account could be made for you", _ask_administrator(provider), entry) from error
    if users._default_manager.filter(username=user.username).exists():
        raise _taken(provider, user.username, who)
    return user


def _taken(provider: Provider, name: str, who: str) -> SignOnFailed:
    entry = f"{who} was refused: an account named {name} exists, and is linked to nobody by its name alone"
    return refusal("Your user name is taken here", _ask_administrator(provider), entry)


def _ask_administrator(provider: Provider) -> str:
    return f"You are not logged in. Ask an administrator to make an account for you and to link it to {provider.name}."


def link_identity(
    user: AbstractUser, provider: Provider, issuer: str, subject: str, entry: str, *, actor: AbstractUser | None
) -> Identity:
    """Create the identity with its log entry, and return it. linking.py says who may do it."""
    identity = Identity.objects.create(
        user_id=user.pk,
        provider=provider.slug,
        issuer=issuer,
        subject=subject,
        linked_by_id=actor.pk if actor is not None else None,
    )
    log.record(Verb.IDENTITY_LINKED, entry, actor=actor, user=user, details={"issuer": issuer, "subject": subject})
    return identity
