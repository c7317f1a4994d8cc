"""Configures the app when Django starts: system checks, connectors, signals, role groups and search indexes."""

import functools
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from activity.addresses import numbered


class SessionsAppConfig(AppConfig):
    """Privileged sessions and login sessions."""

    name = "sessions_app"
    verbose_name = "Sessions"

    def ready(self) -> None:
        """Register the checks, connectors and signal handlers. Do not use the database here."""
        from activity import log  # noqa: PLC0415 - models are not loaded before ready()
        from activity.summary import provide_sessions  # noqa: PLC0415 - once Django is set up
        from sessions_app import audit_trail, wiring  # noqa: PLC0415 - once Django is set up
        from sessions_app.logins import signals  # noqa: PLC0415 - once Django is set up
        from sessions_app.management import trial_data  # noqa: PLC0415 - once Django is set up
        from sessions_app.privileged import summary  # noqa: PLC0415 - once Django is set up
        from sessions_app.sso import signals as sso_signals  # noqa: PLC0415 - once Django is set up

        wiring.hide_models_of_allauth()
        wiring.register_connectors()
        wiring.provide_open_sessions_to_configuration()
        wiring.provide_confirmation_at_providers()
        wiring.provide_signer_of_the_log()
        wiring.provide_related_entries()
        signals.connect()
        sso_signals.connect()  # after those that begin the login session
        audit_trail.connect()
        provide_sessions(summary.summarise)
        pre_migrate.connect(trial_data.refuse_trial_data, sender=self)
        post_migrate.connect(create_role_groups, sender=self)
        post_migrate.connect(make_indexes, sender=self)
        log.link_targets("sessions_app.privilegedsession", functools.partial(numbered, "session"))
        for name, page in (
            ("logreview", "log_review"),
            ("reviewexception", "review_exception"),
            ("accessreview", "access_review"),
        ):
            log.link_targets(f"sessions_app.{name}", functools.partial(numbered, page))
        log.link_targets("sessions_app.loginsession", functools.partial(numbered, "login_detail"))


def create_role_groups(using: str, **kwargs: Any) -> None:
    """Create the groups Administrators and Auditors, and give them permissions that they lack.

    Runs after each migrate.
    """
    from django.contrib.auth.models import Group, Permission  # noqa: PLC0415 - models are not loaded at import

    from sessions_app.roles import ADMINISTRATORS, AUDITORS  # noqa: PLC0415 - once Django is set up

    every = Permission.objects.using(using).filter(content_type__app_label__in=["activity", "sessions_app", "auth"])
    groups = Group.objects.using(using)
    administrators, _ = groups.get_or_create(name=ADMINISTRATORS)
    administrators.permissions.add(*every)
    auditors, _ = groups.get_or_create(name=AUDITORS)
    auditors.permissions.add(*every.filter(codename__in=["audit", "view_logentry"]))


def make_indexes(using: str, **kwargs: Any) -> None:
    """Create the search indexes of sessions, logins and recordings where they are missing. Runs after each migrate."""
    from activity import text_index  # noqa: PLC0415 - models are not loaded at import
    from sessions_app.gateway.recordings.models import LINE_WORDS  # noqa: PLC0415 - once Django is set up
    from sessions_app.logins.models import LOGIN_WORDS  # noqa: PLC0415 - once Django is set up
    from sessions_app.privileged.models import SESSION_WORDS  # noqa: PLC0415 - once Django is set up

    for index in (SESSION_WORDS, LOGIN_WORDS, LINE_WORDS):
        text_index.ensure(index, using)
