"""Rename or remove one of one's own second factors."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from activity import log
from activity.verbs import Verb
from sessions_app.factors.flows.enrol import hold
from sessions_app.factors.models import RecoveryCode


def rename(person: AbstractBaseUser, factor: Authenticator, name: str) -> None:
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


def remove(person: AbstractBaseUser, factor: Authenticator) -> None:
    """Remove a factor, and with the last one the recovery codes, and log it. Raise Refused if it is required."""
    with transaction.atomic():
        hold(person)
        kind, pk = str(factor.type), factor.pk
        factor.delete()
        text = f"{person.get_username()} removed the second factor “{factor.data['name']}”"
        log.record(Verb.FACTOR_REMOVED, text, actor=person, user=person, details={"factor": pk, "type": kind})
        if not Authenticator.objects.filter(user_id=person.pk).exists():
            RecoveryCode.objects.filter(user_id=person.pk).delete()
