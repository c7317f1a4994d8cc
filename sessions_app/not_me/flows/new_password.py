"""Set a new password after a report, by the same link and the password that is void now."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.logins import initial_passwords, service
from sessions_app.logins.models import EndReason
from sessions_app.not_me.links import GOOD_FOR
from sessions_app.not_me.models import NotMeReport
from sessions_app.permission import lock_account_row


@sensitive_variables()
def set_new_password(report: NotMeReport, password: str) -> None:
    """Give the account of the report its new password. Nobody is logged in by it, and second factors stay required.

    Raise Refused if one was set since, by this link or by an administrator, or if the time of the report is over.
    """
    _store(report, make_password(password))  # hashed outside the transaction, because that is slow


@retry_while_unavailable
def _store(report: NotMeReport, hashed: str) -> None:
    with transaction.atomic():
        user = lock_account_row(report.user)
        now = timezone.now()
        waiting = NotMeReport.objects.filter(pk=report.pk, made_at__gt=now - GOOD_FOR).exclude(void_password="")
        if user.has_usable_password() or not waiting.update(void_password="", password_set_at=now):
            raise Refused("A new password was set already, or the time for it is over. Nothing was changed.")
        # Not by save(): what is logged about a changed password is not what happens here.
        type(user)._default_manager.filter(pk=user.pk).update(password=hashed)
        initial_passwords.note(user, user)
        service.end_all(user, EndReason.PASSWORD, actor=user)  # by a passkey or a provider, since the report
        log.record(
            Verb.PASSWORD_CHANGED,
            f"{user.get_username()} set a new password after the report",
            user=user,
            target=report.login,
        )


def forget_void_passwords() -> int:
    """Delete the hashes of void passwords whose link is too old. Return how many."""
    late = NotMeReport.objects.filter(made_at__lt=timezone.now() - GOOD_FOR).exclude(void_password="")
    return late.update(void_password="")
