"""Take all second factors of a person away, for whoever has lost them."""

from __future__ import annotations

import dataclasses

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.factors.flows.enrol import hold
from sessions_app.factors.models import RecoveryCode
from sessions_app.factors.required import end_grace
from sessions_app.logins import service
from sessions_app.logins.models import EndReason
from sessions_app.people.letters import write_after_commit
from sessions_app.roles import is_administrator

NOTE = "your second factors were reset"


@dataclasses.dataclass(frozen=True, slots=True)
class FactorsReset:
    """What was done: how many factors were removed and logins ended, and whether the person gets a mail."""

    factors: int
    logins: int
    is_mailed: bool


def reset_factors(actor: AbstractUser | None, person: AbstractUser) -> FactorsReset:
    """Remove all second factors and recovery codes, end the person's logins, mail and log it.

    A login that waits for the second step is void with that (stage.py). Where a second factor is required the next
    login opens nothing but the set-up. `actor` is None for somebody on the server. Raise Refused.
    """
    if actor is not None and not is_administrator(actor):
        raise Refused("Only administrators reset second factors.")
    if actor is not None and actor.pk == person.pk:
        raise Refused("These are your own second factors. Remove them under Sign-in, which asks for one of them.")
    if actor is not None and person.is_superuser and not actor.is_superuser:
        raise Refused("Only superusers change superusers.")
    who = actor.get_username() if actor is not None else "Somebody on the server"
    with transaction.atomic():
        hold(person)
        count = Authenticator.objects.filter(user_id=person.pk).count()
        Authenticator.objects.filter(user_id=person.pk).delete()
        RecoveryCode.objects.filter(user_id=person.pk).delete()
        if count:
            end_grace(person)
        text = f"{who} reset the second factors of {person.get_username()}: {count or 'none'} removed"
        log.record(Verb.FACTORS_RESET, text, actor=actor, user=person, level=Level.WARNING, details={"factors": count})
        logins = service.end_all(person, EndReason.FORCED, actor=actor, note=NOTE)
        lines = [
            f"{who} removed all second factors of your account {person.get_username()}, passkeys too,",
            f"at {settings.SITE_URL}. You were logged out everywhere.",
            "",
            "Log in with your password and set up a new one under Sign-in.",
            "If you did not ask for this, call an administrator at once.",
        ]
        is_mailed = write_after_commit(person, "Your second factors were reset", lines)
    return FactorsReset(count, logins, is_mailed)
