"""What the pages of users, applications and groups say above their lists.

Templates read each figure at most once, and only for whole pages: a refresh of the list reads none.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group

from sessions_app.login_rules.models import LoginRule
from sessions_app.login_rules.rules import RuleText, combined, in_words, rules_of
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.permission import administrator_refusal, role_of
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.roles import ROLES, is_administrator, role_of_user, sees_everything


class _Counts:
    """The numbers of sessions and logins of one account, or of all members of a group."""

    scope: dict[str, Any]

    @cached_property
    def live(self) -> int:
        """Return the number of sessions whose rights are given, being given or being taken away."""
        return PrivilegedSession.objects.live().filter(**self.scope).count()

    @cached_property
    def scheduled(self) -> int:
        """Return the number of sessions that start in the future."""
        return PrivilegedSession.objects.filter(status=Status.PENDING, **self.scope).count()

    @cached_property
    def waiting(self) -> int:
        """Return the number of sessions that wait for approval."""
        return PrivilegedSession.objects.filter(status=Status.WAITING, **self.scope).count()

    @cached_property
    def logins(self) -> int:
        """Return the number of browsers that are logged in."""
        return LoginSession.objects.live().filter(**self.scope).count()


@dataclasses.dataclass
class AccountFacts(_Counts):
    """The figures of one account, as `viewer` may see them."""

    viewer: AbstractUser
    account: AbstractUser

    def __post_init__(self) -> None:
        self.scope = {"user": self.account.pk}

    @cached_property
    def role(self) -> str:
        """Return Administrator, Auditor or User, also for a disabled account."""
        annotated = get_user_model()._default_manager.annotate(role=role_of_user())
        return ROLES[annotated.values_list("role", flat=True).get(pk=self.account.pk)]

    @cached_property
    def groups(self) -> list[Group]:
        return list(self.account.groups.order_by("name"))

    @cached_property
    def login_rules(self) -> list[str]:
        """Return from where, when and how often the person may be logged in, a line for each rule that counts."""
        return in_words(rules_of(self.account.pk))

    @cached_property
    def lock(self) -> AccountLock | None:
        """Return the lock that is in force, or None."""
        return AccountLock.objects.in_force().filter(user_id=self.account.pk).select_related("locked_by").first()

    @cached_property
    def past_locks(self) -> list[AccountLock]:
        """Return locks that were lifted, newest first, at most ten."""
        lifted = AccountLock.objects.filter(user_id=self.account.pk, lifted_at__isnull=False)
        return list(lifted.select_related("locked_by", "lifted_by").order_by("-lifted_at")[:10])

    @cached_property
    def state(self) -> str:
        """Return “active”, “locked” or “disabled”."""
        if not self.account.is_active:
            return "disabled"
        return "locked" if self.lock is not None else "active"

    @cached_property
    def links_groups(self) -> bool:
        """Return whether the viewer may open the pages of groups."""
        return sees_everything(self.viewer)

    @cached_property
    def shows_buttons(self) -> bool:
        """Return whether the buttons for lock and cut are shown.

        Administrators see them, and auditors see them disabled with the reason.
        """
        return sees_everything(self.viewer)

    @cached_property
    def is_own(self) -> bool:
        """Return whether the account is the viewer's own, which is logged out in Session Information."""
        return bool(self.viewer.pk == self.account.pk)

    @cached_property
    def logout_refused(self) -> str:
        """Return why the viewer may not log out this account everywhere; an empty string if they may."""
        return administrator_refusal(**role_of(self.viewer))

    @cached_property
    def refused(self) -> str:
        """Return why the viewer may not lock, unlock or cut this account; an empty string if they may.

        The flows check again.
        """
        if not is_administrator(self.viewer):
            return "Auditors read everything and change nothing."
        if self.viewer.pk == self.account.pk:
            return "You cannot lock or cut your own account. Ask another administrator."
        return ""


@dataclasses.dataclass
class GroupFacts(_Counts):
    """The figures of all members of one group."""

    group: Group
    logout_refused: str = ""  # why the viewer may not log out the members

    def __post_init__(self) -> None:
        self.scope = {"user__groups": self.group.pk}

    @cached_property
    def members(self) -> int:
        """Return the number of members."""
        return get_user_model()._default_manager.filter(groups=self.group).count()

    @cached_property
    def login_rules(self) -> list[str]:
        """Return from where, when and how often members may be logged in by the rule of this group."""
        rule = LoginRule.objects.filter(group=self.group).first()
        return in_words(combined([RuleText(None, rule.networks, rule.hours, rule.max_logins)])) if rule else []

    @cached_property
    def policies(self) -> list[Any]:
        """Return the access policies that name the group."""
        return list(self.group.access_policies.order_by("priority", "name"))
