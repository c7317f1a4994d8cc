"""Conditions and selections for open sessions that no policy allows any more."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status


def without_right() -> Q:
    """Return a condition for sessions that no policy allows any more.

    The reason is the policy, a group, the activity, the resource or an exception. Disabled accounts are not considered.
    """
    # The session's own policy is checked first: it allows most sessions, and is found by its key.
    return ~_allowed_by(AccessPolicy.objects.filter(pk=OuterRef("policy"))) & ~_allowed_by(AccessPolicy.objects.all())


def loses_its_right() -> Q:
    """Return a condition for sessions without a right that hold rights on the resource and end because of it."""
    return without_right() & Q(status__in=sorted(HOLDS_GRANT)) & ~_runs_to_end()


def running_without_right() -> QuerySet[PrivilegedSession]:
    """Return sessions without a right whose policy lets them run to their end."""
    holding = Q(status__in=sorted(HOLDS_GRANT), user__is_active=True)
    return PrivilegedSession.objects.filter(without_right() & holding & _runs_to_end()).order_by()


def ending_for_their_right() -> QuerySet[PrivilegedSession]:
    """Return open sessions that the worker's next pass ends, because their right or their account is gone."""
    disabled = Q(user__in=get_user_model().objects.filter(is_active=False).values("pk"))
    being_given = Q(status=Status.PROVISIONING)
    is_open = Q(ended_at=None) & (Q(status__in=sorted(HOLDS_GRANT)) | being_given)
    gone = disabled | being_given & without_right() | loses_its_right()
    return PrivilegedSession.objects.filter(is_open & gone).order_by()


def _allowed_by(policies: QuerySet[AccessPolicy]) -> Q:
    """Return a condition for sessions that one of these policies allows."""
    taken_away = AccessException.objects.of_policy(OuterRef("pk")).filter(
        user=OuterRef(OuterRef("user")),
        activity=OuterRef(OuterRef("activity")),
        resource=OuterRef(OuterRef("resource")),
    )
    giving = policies.filter(
        ~Exists(taken_away),
        is_active=True,
        activities=OuterRef("activity"),
        activities__is_active=True,
        resources=OuterRef("resource"),
        resources__is_active=True,
        resources__platform=F("activities__platform"),
    ).order_by()
    # Two conditions instead of a join, which would read the members of every group of a policy for each session.
    return Q(Exists(giving.filter(users=OuterRef("user")))) | Q(Exists(giving.filter(groups__user=OuterRef("user"))))


def _runs_to_end() -> Q:
    return Q(policy__in=AccessPolicy.objects.filter(keeps_open_sessions=True).values("pk"))
