"""The second step of an SSH login: what a person is asked for after their key, where their session asks for a factor.

_asked() and given() are run by store.call() only.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.factors import check
from sessions_app.gateway import store
from sessions_app.gateway.flows import connect, ticket
from sessions_app.gateway.identity import Identity, by_password
from sessions_app.logins.authentication import LoginRefused
from sessions_app.logins.models import SecondFactor
from sessions_app.people.models import Application
from sessions_app.privileged.flows.confirm import asks_for_factor

SECONDS = 120.0  # to find a code and to type it: as long as a one-time password is good for
NOT_GIVEN = "the key is right, but the second factor was not given"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SecondStep:
    """What a person is asked for after their key, because the profile of their session asks for a second factor."""

    notice: str  # for everybody, also for programs that cannot ask their user
    instruction: str
    prompt: str


async def after(first: Identity | None, wanted: str) -> SecondStep | None:
    """Return what a client is asked for after its first step; None if that was enough.

    connect() in flows/connect.py asks the database once more, and refuses whoever has not given a factor.
    """
    if first is None or first.is_confirmed or first.session_id is not None:
        return None
    try:
        return await store.call(_asked, first.user_id, wanted)
    except Exception:  # the channel that the client opens next finds the same, and tells it
        logger.exception("The database does not say whether user %s needs a second factor", first.user_id)
        return None


def question(step: SecondStep | None) -> tuple[str, str]:
    """Return instruction and prompt of keyboard-interactive, which without a key asks for a one-time password."""
    if step is not None:
        return step.instruction, step.prompt
    hint = f"Register your SSH key, or get a one-time password for your session, at {settings.SITE_URL}"
    return hint, "One-time password: "


def _asked(user_id: int, wanted: str) -> SecondStep | None:
    """Return what the person is asked for after their key; None if the session that `wanted` names asks for nothing.

    A session that does not exist or lets nobody in asks for nothing, because the person is refused later, with the
    reason. So are applications, which have no second factor.
    """
    user = get_user_model().objects.get(pk=user_id)
    try:
        session = connect.wanted_session(user, wanted)
    except Refused:
        return None
    if not asks_for_factor(session) or connect.why_not(session):
        return None
    if Application.objects.filter(principal_id=user_id).exists():
        return None
    page = f"{settings.SITE_URL.rstrip('/')}{reverse('session_connections', args=[session.pk])}"
    has_app = check.factors_of(user).has_app
    return SecondStep(
        notice=f"Your session on {session.resource_name} asks for a second factor {session.profile.confirms}. "
        "A program that cannot ask you for it (BatchMode) cannot connect.",
        instruction=f"Enter the code of your authenticator app, or a one-time password from {page}"
        if has_app
        else f"You have no authenticator app. Get a one-time password for this session at {page}",
        prompt="Code or one-time password: " if has_app else "One-time password: ",
    )


@sensitive_variables("answer")
def given(first: Identity, user_name: str, wanted: str, answer: str, address: str) -> Identity:
    """Return the identity with its second factor: a code of the authenticator app, or a one-time password.

    Either is used up. A recovery code is one too. Raises Refused with the reason.
    """
    user = get_user_model().objects.get(pk=first.user_id)
    if not ticket.is_password(answer) and check.factors_of(user).accepts_code:
        return replace(first, is_confirmed=True, factor=_use_code(user, wanted, answer, address))
    found = by_password(user_name, wanted, answer, address)
    return replace(found, key_id=first.key_id, is_noted=first.is_noted)


@sensitive_variables("answer")
def _use_code(user: AbstractUser, wanted: str, answer: str, address: str) -> SecondFactor:
    session = connect.wanted_session(user, wanted)
    with log.coming_from(address):
        try:
            factor = check.verify_code(user, answer[: check.LONGEST_CODE], address=address)
        except LoginRefused as refused:
            raise Refused(str(refused)) from refused
        if factor is None:
            raise Refused("The code is wrong, or it was used before. Wait for the next one.")
        message = f"Confirmed over SSH ({factor.label}), to connect to {session.resource_name}"
        log.record(Verb.FACTOR_CONFIRMED, message, actor=user, target=session)
    return factor
