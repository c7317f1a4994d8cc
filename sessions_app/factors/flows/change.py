"""Rename or remove one of one's own second factors."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.factors.flows.enrol import hold, tell_person
from sessions_app.factors.models import RecoveryCode
from sessions_app.factors.required import is_required


def rename(person: AbstractUser, factor: Authenticator, name: str) -> None:
    """Give a factor another name, and log it. Nothing is done if it has that name."""
    with transaction.atomic():
        hold(person)
        factor.refresh_from_db()
        before = factor.data["name"]
        if name == before:
            return
        factor.data["name"] = name
        factor.save(update_fields=["data"])
        text = f"{person.get_username()} renamed the second factor “{before}” to “{name}”"
        log.record(Verb.FACTOR_CHANGED, text, actor=person, user=person, details={"factor": factor.pk})


def remove(person: AbstractUser, factor: Authenticator) -> None:
    """Remove a factor, and with the last one the recovery codes, and log it. Raise Refused if it is required."""
    with transaction.atomic():
        hold(person)
        others = Authenticator.objects.filter(user_id=person.pk).exclude(pk=factor.pk)
        if not others.exists() and is_required(person):
            raise Refused(
                "A second factor is required for your account. Set up another one before you remove this one."
            )
        kind, pk = str(factor.type), factor.pk
        factor.delete()
        what = f"removed the second factor “{factor.data['name']}”"
        tell_person(person, what)
        text = f"{person.get_username()} {what}"
        log.record(Verb.FACTOR_REMOVED, text, actor=person, user=person, details={"factor": pk, "type": kind})
        if not Authenticator.objects.filter(user_id=person.pk).exists():
            RecoveryCode.objects.filter(user_id=person.pk).delete()
