"""Test the connection to a host, and confirm the host key that it showed."""

from __future__ import annotations

import time

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.models import Level, Outcome
from activity.verbs import Verb
from sessions_app.catalogue.models import Resource
from sessions_app.errors import Refused
from sessions_app.hosts.connectors.ssh.check import Report, check_host, fingerprint_of
from sessions_app.permission import require_administrator


def check(actor: AbstractUser | None, resource: Resource) -> Report:
    """Test the host and log the result, a changed host key as an error.

    `actor` is None for the command line. Raise Refused if the resource is no host, and Forbidden without permission.
    """
    if actor is not None:
        require_administrator(actor)
    if not resource.capabilities.is_host:
        raise Refused(f"{resource.name} uses the connector {resource.connector}; only hosts with SSH can be tested.")
    report = check_host(resource, time.time())
    wrong = [f"{line.what}: {line.text}" for line in report.lines if not line.is_good]
    log.record(
        Verb.HOST_CHECKED,
        f"Tested the connection to {resource.name}: {' '.join(wrong) if wrong else 'everything works'}"[:500],
        actor=actor,
        target=resource,
        level=Level.ERROR if report.pinned_fingerprint else Level.WARNING if wrong else Level.INFO,
        outcome=Outcome.FAILURE if wrong else None,
    )
    return report


def confirm_host_key(actor: AbstractUser | None, resource: Resource, *, key: str, instead_of: str) -> str:
    """Pin exactly the key that was shown, and return its fingerprint.

    `instead_of` is the pinned line that was shown beside it. Raise Refused if it is no key or if another one was pinned
    in the meantime, and Forbidden without permission.
    """
    if actor is not None:
        require_administrator(actor)
    words = key.split()
    fingerprint = fingerprint_of(key) if len(words) == 2 and len(key) <= 20_000 else ""
    if not fingerprint:
        raise Refused("This is no host key. Nothing was changed; test the connection once more.")
    with transaction.atomic():
        held = Resource.objects.select_for_update().get(pk=resource.pk)
        if held.host_key.strip() != instead_of.strip():
            raise Refused("The host key was changed meanwhile. Nothing was changed; test the connection once more.")
        held.host_key = " ".join(words)
        held.save(update_fields=["host_key"])
        log.record(
            Verb.HOST_KEY_CONFIRMED,
            f"Confirmed the host key {fingerprint} of {held.name}",
            actor=actor,
            target=held,
            level=Level.WARNING,
            details={"fingerprint": fingerprint, "before": fingerprint_of(instead_of)},
        )
    resource.host_key = held.host_key
    return fingerprint
