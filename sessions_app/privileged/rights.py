"""Which open sessions still stand on a right: what policy would give their user now. Conditions for sessions."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from sessions_app.catalogue.models import AccessPolicy
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status


def without_right() -> Q:
    """Sessions that no policy gives any more, because of the policy, a group, the activity or the resource. Says
    nothing of accounts that are disabled."""
    # The session's own policy first: it gives most of them, and is found at once.
    return ~_given(AccessPolicy.objects.filter(pk=OuterRef("policy"))) & ~_given(AccessPolicy.objects.all())


def loses_its_right() -> Q:
    """Those among them that hold rights and end for it: their policy does not let them run to their end."""
    return without_right() & Q(status__in=sorted(HOLDS_GRANT)) & ~_kept()


def running_without_right() -> QuerySet[PrivilegedSession]:
    """Select sessions without a right whose policy lets them run to their end."""
    holding = Q(status__in=sorted(HOLDS_GRANT), user__is_active=True)
    return PrivilegedSession.objects.filter(without_right() & holding & _kept()).order_by()


def ending_for_their_right() -> QuerySet[PrivilegedSession]:
    """Open sessions that end at the worker's next look because the right or the account behind them is gone."""
    disabled = Q(user__in=get_user_model().objects.filter(is_active=False).values("pk"))
    being_given = Q(status=Status.PROVISIONING)
    is_open = Q(ended_at=None) & (Q(status__in=sorted(HOLDS_GRANT)) | being_given)
    gone = disabled | being_given & without_right() | loses_its_right()
    return PrivilegedSession.objects.filter(is_open & gone).order_by()


def _given(policies: QuerySet[AccessPolicy]) -> Q:
    """Sessions that one of these policies gives."""
    giving = policies.filter(
        is_active=True,
        activities=OuterRef("activity"),
        activities__is_active=True,
        resources=OuterRef("resource"),
        resources__is_active=True,
        resources__platform=F("activities__platform"),
    ).order_by()
    # As two questions: joined, the members of every group of a policy would be read for each session.
    return Q(Exists(giving.filter(users=OuterRef("user")))) | Q(Exists(giving.filter(groups__user=OuterRef("user"))))


def _kept() -> Q:
    return Q(policy__in=AccessPolicy.objects.filter(keeps_open_sessions=True).values("pk"))
