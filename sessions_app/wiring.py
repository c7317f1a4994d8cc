"""Registers once, when Django starts, what lower packages must not import: system checks, connectors and answers."""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin

from activity.related import provide_related
from activity.seal.signing import Signer, provide_signer
from sessions_app import checks_files, sealing_checks
from sessions_app.catalogue import admin as catalogue_admin
from sessions_app.catalogue.connectors import Connector, register_connector
from sessions_app.configuration.ended_sessions import OpenSessions, provide_open_sessions
from sessions_app.evidence import checks as evidence_checks
from sessions_app.evidence import keys as evidence_keys
from sessions_app.evidence import trusted_keys
from sessions_app.factors.step_up_provider import provide
from sessions_app.gateway.recordings import checks as recording_checks
from sessions_app.gateway.related_entries import RELATED
from sessions_app.hosts import admin as host_admin
from sessions_app.hosts import checks as host_checks
from sessions_app.hosts.connectors.practice import PracticeConnector
from sessions_app.hosts.connectors.ssh import SshConnector
from sessions_app.logins import checks as login_checks
from sessions_app.logins.geoip import checks as geoip_checks
from sessions_app.pages import list_checks
from sessions_app.people import admin as people_admin
from sessions_app.people import checks as people_checks
from sessions_app.privileged import rights
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.sso import checks as sso_checks
from sessions_app.sso import confirm
from sessions_app.vault import admin as vault_admin
from sessions_app.vault.connector import VaultConnector

# Importing these modules registers their checks.
CHECKS = (
    checks_files,
    evidence_checks,
    geoip_checks,
    host_checks,
    list_checks,
    login_checks,
    people_checks,
    recording_checks,
    sealing_checks,
    sso_checks,
)

# Importing these modules registers what is managed in the Django admin.
ADMIN = (catalogue_admin, host_admin, people_admin, vault_admin)

# A new connector is named here and nowhere else.
CONNECTOR_CLASSES: tuple[type[Connector], ...] = (PracticeConnector, SshConnector, VaultConnector)


# The models of django-allauth have no pages in the administration: they hold secrets, and our own pages manage them.
HIDDEN_APPS = ("account", "mfa", "socialaccount")


def hide_models_of_allauth() -> None:
    """Take the models of django-allauth out of the administration."""
    for label in HIDDEN_APPS:
        for model in apps.get_app_config(label).get_models():
            if admin.site.is_registered(model):
                admin.site.unregister(model)


def register_connectors() -> None:
    """Register the connectors that resources can use."""
    for kind in CONNECTOR_CLASSES:
        register_connector(kind())


def provide_open_sessions_to_configuration() -> None:
    """Tell the configuration how to find the open sessions that a change would end."""
    provide_open_sessions(
        OpenSessions(
            all=PrivilegedSession.objects.all,
            ending=rights.ending_for_their_right,
            running_without_right=rights.running_without_right,
        )
    )


def provide_related_entries() -> None:
    """Tell the filters of the log which entries are about a host, and which about a session with a recording."""
    provide_related(RELATED)


def provide_confirmation_at_providers() -> None:
    """Tell the question for a fresh factor how to find a provider where the person can give one."""
    provide(confirm.way_of)


def provide_signer_of_the_log() -> None:
    """Tell the activity log who signs its checkpoints and the manifests of its exports."""
    provide_signer(
        Signer(lambda: evidence_keys.ensure().name, evidence_keys.sign, public_keys=lambda: trusted_keys.trusted()[0])
    )
