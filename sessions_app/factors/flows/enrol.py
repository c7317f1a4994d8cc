"""Set up a second factor. The first one brings ten recovery codes."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.factors import recovery, totp, webauthn
from sessions_app.factors.fresh import mark_confirmed
from sessions_app.logins.models import LoginSession
from sessions_app.people.letters import write_after_commit


@sensitive_variables()
def add_app(person: AbstractUser, secret: str, code: str, *, name: str, login: LoginSession | None) -> list[str]:
    """Store an authenticator app that has shown the right code. Return the recovery codes if they are new.

    Raise Refused for a wrong code and for a second app, and NoKey.
    """
    step = totp.step_of(secret, "".join(code.split()))
    if step is None:
        raise Refused(
            "The code is wrong. Check that the clock of your phone is right, and enter the code it shows now.",
            field="code",
        )
    with transaction.atomic():
        hold(person)
        if Authenticator.objects.filter(user_id=person.pk, type=Authenticator.Type.TOTP).exists():
            raise Refused("You have an authenticator app already. Remove it before you set up another one.")
        app = totp.store(person, secret, step=step, name=name)
        return added(person, app, f"set up the authenticator app “{name}”", login)


def add_key(
    request: HttpRequest, person: AbstractUser, answer: str, *, kind: str, name: str, login: LoginSession | None
) -> list[str]:
    """Store a security key or passkey that the browser has made. Return the recovery codes if they are new.

    Raise Refused for an answer that does not fit the question.
    """
    with transaction.atomic():
        hold(person)
        try:
            key = webauthn.complete_registration(request, person, kind, answer, name)
        except webauthn.WrongAnswer as error:
            raise Refused("The answer of the key was not accepted. Nothing was set up. Try again.") from error
        what = "passkey" if kind == webauthn.PASSKEY else "security key"
        return added(person, key, f"set up the {what} “{name}”", login)


def added(person: AbstractUser, factor: Authenticator, what: str, login: LoginSession | None) -> list[str]:
    """Log a new factor, which counts as given just now. Return new recovery codes, unless the person has some."""
    log.record(
        Verb.FACTOR_ADDED,
        f"{person.get_username()} {what}",
        actor=person,
        user=person,
        details={"factor": factor.pk, "type": str(factor.type)},
    )
    tell_person(person, what)
    if login is not None:
        mark_confirmed(login)
        LoginSession.objects.filter(pk=login.pk).update(must_enrol=False)
        login.must_enrol = False
    return [] if recovery.left(person) else new_codes(person)


@sensitive_variables("codes")
def new_codes(person: AbstractUser) -> list[str]:
    """Replace the person's recovery codes, and log it. Return the new ones."""
    with transaction.atomic():
        hold(person)
        codes = recovery.make(person)
        text = f"{person.get_username()} made {len(codes)} recovery codes; earlier ones no longer work"
        log.record(Verb.RECOVERY_CODES_MADE, text, actor=person, user=person)
    return codes


def tell_person(person: AbstractUser, what: str) -> None:
    """Mail the person what was done with their account, so that they notice if somebody else did it (ASVS 5, 6.3.7)."""
    lines = [
        f"Your account {person.get_username()} at {settings.SITE_URL} {what}.",
        "",
        "If it was not you, call an administrator at once.",
    ]
    write_after_commit(person, "Your sign-in was changed", lines)


def hold(person: AbstractUser) -> None:
    """Lock the account's row, so that two browsers of one person wait for each other."""
    get_user_model()._default_manager.select_for_update().get(pk=person.pk)
