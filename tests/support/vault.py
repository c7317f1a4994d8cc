"""Makes a vault with secrets, and a session on it that the worker made available."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from sessions_app.catalogue.models import Platform, Resource
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.vault.models import Secret
from sessions_app.worker import reconcile
from tests.support import builders

PLAIN = "pl41n-Zwiebelkuchen-9f27\nsecond <line> & more"


def make_vault(name: str = "team-vault") -> Resource:
    return builders.make_resource(name, platform=Platform.VAULT, connector="vault", address="")


def make_secret(name: str = "db root", content: str = PLAIN, vault: Resource | None = None) -> Secret:
    secret = Secret(resource=vault or make_vault(), name=name, description="PostgreSQL, primary")
    secret.set_content(content)
    secret.save()
    return secret


def opened(user: User, vault: Resource | None = None, **profile: Any) -> PrivilegedSession:
    """Request a session on the vault, let the worker make it available, and return it."""
    vault = vault or make_vault()
    activity = builders.make_activity(
        "Read secrets", platform=Platform.VAULT, grant_actions="", remove_actions="", login_account_template="{user}"
    )
    name = f"Secrets of {vault.name} for {user.username}"
    builders.make_policy(
        name,
        users=[user],
        activities=[activity],
        resources=[vault],
        profile=builders.make_profile(f"Profile: {name}", **profile),
    )
    [session] = request_sessions(user, user=user, activity=activity, resources=[vault])
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE
    return session
