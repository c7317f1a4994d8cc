"""Accounts: all that can log in, with their roles, and those that cannot any more, with what they still have."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import CharField, Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.utils.safestring import SafeString

from activity.addresses import numbered
from activity.listing import Column, empty, link
from activity.listing.keyset import Page
from activity.models import LogEntry
from activity.names import of_accounts
from activity.verbs import Verb
from sessions_app.hosts.models import UserKey
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock, Application
from sessions_app.privileged.everybody import EverybodysRights
from sessions_app.privileged.models import LIVE, PrivilegedSession
from sessions_app.privileged.policy import NOT_BEGUN
from sessions_app.reports.periods import Days
from sessions_app.reports.report import (
    ROWS_AT_ONCE,
    Counts,
    Place,
    QueryAnswer,
    Question,
    Report,
    Total,
    choice_field,
    text_field,
    time_column,
)
from sessions_app.roles import ROLES, role_of_user
from sessions_app.row_counts import count_of
from sessions_app.sso.models import Identity

DISABLED, LOCKED = "disabled", "locked"
# What somebody may still have: key, heading, and the rows that say so.
HOLDINGS: tuple[tuple[str, str, Callable[[], QuerySet[Any]]], ...] = (
    ("keys", "SSH keys", lambda: UserKey.objects.all()),
    ("open", "Open sessions", lambda: PrivilegedSession.objects.filter(status__in=sorted(LIVE))),
    ("waiting", "Scheduled or waiting", lambda: PrivilegedSession.objects.filter(status__in=sorted(NOT_BEGUN))),
    ("browsers", "Browsers logged in", lambda: LoginSession.objects.live()),
    ("factors", "Second factors", lambda: Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)),
    ("identities", "Single sign-on", lambda: Identity.objects.all()),
)


@dataclasses.dataclass(frozen=True, slots=True)
class AccountRow:
    """One account. `since` and `by` are of its lock or its disabling; None and empty where the log does not say it."""

    account: AbstractUser
    since: dt.datetime | None
    by: str
    policies: str
    rights: int

    @property
    def state(self) -> str:
        if not self.account.is_active:
            return "Disabled"
        return "Locked" if getattr(self.account, "locked_at", None) else "Active"

    @property
    def role(self) -> str:
        return ROLES[str(getattr(self.account, "role", "user"))]

    @property
    def kind(self) -> str:
        return "Application" if getattr(self.account, "is_application", False) else "Person"

    @property
    def groups(self) -> str:
        return ", ".join(group.name for group in self.account.groups.all())

    @property
    def scim(self) -> str:
        """Return what an identity provider last said about the account."""
        removed = getattr(self.account, "scim_removed", None)
        if removed is None:
            return "Not managed"
        return "Removed by the provider" if removed else "Managed"

    def number(self, key: str) -> int:
        """Return how many rows of HOLDINGS the account has."""
        return int(getattr(self.account, f"with_{key}"))

    @property
    def has_something(self) -> bool:
        """Return whether anything is left that could give access again, or does."""
        return bool(self.rights or self.account.groups.all()) or any(self.number(key) for key, _, _ in HOLDINGS)


class AccountsAnswer(QueryAnswer):
    """Accounts, by name."""

    def __init__(self, queryset: QuerySet[Any]) -> None:
        super().__init__(queryset, "username", is_descending=False)

    @cached_property
    def _everybody(self) -> EverybodysRights:
        return EverybodysRights()

    def shown(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        locks = AccountLock.objects.in_force().filter(user=OuterRef("pk"))
        rows: QuerySet[Any] = queryset.prefetch_related("groups").annotate(
            locked_at=Subquery(locks.values("locked_at")[:1]),
            locked_by=Subquery(locks.values("locked_by__username")[:1], output_field=CharField()),
            role=role_of_user(),
            is_application=Exists(Application.objects.filter(principal=OuterRef("pk"))),
            scim_removed=F("scim_account__is_removed"),
            **{f"with_{key}": count_of(rows().filter(user=OuterRef("pk")), "user") for key, _, rows in HOLDINGS},
        )
        return rows

    def page(self, place: Place) -> Page:
        found = super().page(place)
        return Page(self._rows_for(found.rows), found.previous, found.next)

    def rows(self) -> Iterator[AccountRow]:
        accounts = super().rows()
        while some := list(itertools.islice(accounts, ROWS_AT_ONCE)):
            yield from self._rows_for(some)

    def _rows_for(self, accounts: Sequence[Any]) -> list[AccountRow]:
        since = _disabled([account.pk for account in accounts if not account.is_active])
        found = []
        for account in accounts:
            at, by = since.get(account.pk, (None, ""))
            if account.is_active:
                at, by = account.locked_at, account.locked_by or ("System" if account.locked_at else "")
            pairs = self._everybody.pairs(account.pk)
            policies = dict.fromkeys(pair.policy.name for pair in pairs)
            found.append(AccountRow(account, at, by, ", ".join(policies), len(pairs)))
        return found

    def counts(self) -> Sequence[Counts]:
        roles = self.queryset.order_by().annotate(role=role_of_user()).values_list("role")
        found = dict(roles.annotate(number=Count("pk")))
        return [Counts("By role", "Role", [(label, found[key]) for key, label in ROLES.items() if key in found])]

    def totals(self) -> Sequence[Total]:
        numbers = self.queryset.order_by().aggregate(
            disabled=Count("pk", filter=Q(is_active=False)),
            locked=Count("pk", filter=Q(is_active=True, pk__in=AccountLock.objects.in_force().values("user"))),
            **{key: Count("pk", filter=Exists(rows().filter(user=OuterRef("pk")))) for key, _, rows in HOLDINGS},
        )
        ids = self.queryset.order_by().values_list("pk", flat=True)
        with_rights = sum(1 for pk in ids if self._everybody.count(pk))
        return [
            *([("Disabled", f"{numbers['disabled']:,}")] if numbers["disabled"] else []),
            ("Locked", f"{numbers['locked']:,}"),
            ("Named by a policy", _accounts(with_rights)),
            *(
                (label, f"{numbers[key]:,} accounts" if numbers[key] != 1 else "1 account")
                for key, label, _ in HOLDINGS
            ),
        ]


def _accounts(number: int) -> str:
    return f"{number:,} {'account' if number == 1 else 'accounts'}"


def disablings() -> QuerySet[LogEntry]:
    """Return the entries that say that an account was disabled."""
    changes = LogEntry.objects.filter(target_type=get_user_model()._meta.label_lower, verb=Verb.RECORD_CHANGED)
    return changes.filter(details__changes__is_active__new=False)


def _disabled(ids: Sequence[int]) -> dict[int, tuple[dt.datetime | None, str]]:
    """Return when and by whom these accounts were disabled last, as far as the log says it, with one query."""
    rows = disablings().filter(target_id__in=ids).order_by("pk").values_list("target_id", "at", "actor_name")
    return {pk: (at, name or "System") for pk, at, name in rows if pk is not None}


def leavers(days: Days | None) -> QuerySet[Any]:
    """Return the accounts that are disabled or locked now; with days, those that became so in these days."""
    locks = AccountLock.objects.in_force()
    disabled = Q(is_active=False)
    if days is not None:
        locks = locks.filter(locked_at__gte=days.start, locked_at__lt=days.end)
        since = disablings().filter(at__gte=days.start, at__lt=days.end)
        disabled &= Q(pk__in=since.values("target_id"))
    return get_user_model()._default_manager.filter(disabled | Q(is_active=True, pk__in=locks.values("user")))


def _user_cell(row: AccountRow) -> SafeString:
    return link(numbered("user", row.account.pk), row.account.get_username())


def _holding(key: str, label: str) -> Column:
    return Column(key, label, csv=lambda row: row.number(key), is_number=True, width=76)


def _by(row: AccountRow) -> str:
    return row.by or "Not in the log"


USER = Column("user", "User", csv=lambda row: row.account.get_username(), cell=_user_cell, width=84)
NAME = Column("name", "Name", csv=lambda row: row.account.get_full_name(), width=92)
STATE = Column("state", "State", "state", width=72)
LAST_LOGIN = time_column("last_login", "Last login", "account__last_login")
GROUPS = Column("groups", "Groups", "groups", width=110)
POLICIES = Column("policies", "Policies", "policies", width=110)
RIGHTS = Column("rights", "Rights", "rights", is_number=True, width=56)
HELD = tuple(_holding(key, label) for key, label, _ in HOLDINGS)
SCIM = Column("scim", "SCIM", "scim", width=84)


class Accounts(Report):
    slug = "accounts"
    title = "Accounts and roles"
    line = "Every account that can log in, with its role, groups, second factors, sign-on and last login."
    shows = (
        "Every active account, by name. “Role” is the role in this console, from the groups and permissions of the "
        "account: administrators manage everything, auditors read everything. “Rights” are activities on hosts that "
        "access policies give."
    )
    noun, nouns = "account", "accounts"
    empty = "No account is active."
    has_period = False
    columns = (
        USER,
        NAME,
        Column("kind", "Kind", "kind", width=92),
        Column("role", "Role", "role", width=108),
        STATE,
        GROUPS,
        RIGHTS,
        *HELD,
        SCIM,
        LAST_LOGIN,
        time_column("created", "Created", "account__date_joined"),
    )

    def fields(self) -> dict[str, forms.Field]:
        return {"user": text_field("User"), "role": choice_field("Role", "Every role", list(ROLES.items()))}

    def answer(self, question: Question) -> AccountsAnswer:
        accounts: QuerySet[Any] = get_user_model()._default_manager.filter(is_active=True)
        if name := question.text("user"):
            accounts = accounts.filter(of_accounts(name, "pk"))
        if role := question.text("role"):
            accounts = accounts.annotate(role=role_of_user()).filter(role=role)
        return AccountsAnswer(accounts)


class Leavers(Report):
    slug = "leavers"
    title = "Leavers and disabled accounts"
    line = (
        "Disabled and locked accounts with what they still have: rights, groups, keys, sessions, second factors, SCIM."
    )
    shows = (
        "Every account that is disabled or locked now, by name, with what it still has. None of it can be used while "
        "the account is disabled or locked; it can again afterwards. “Rights” are what access policies "
        "would give. A period leaves only the accounts that were disabled or locked in it."
    )
    noun, nouns = "account", "accounts"
    empty = "No account is disabled or locked, or none became so in this period."
    period = None
    period_label = "Disabled or locked"
    is_period_optional = True
    columns = (
        USER,
        NAME,
        STATE,
        time_column("since", "Since", "since"),
        Column("by", "By", csv=_by, width=78),
        LAST_LOGIN,
        GROUPS,
        POLICIES,
        RIGHTS,
        *HELD,
        SCIM,
        Column(
            "left",
            "Left over",
            csv=lambda row: row.has_something,
            cell=lambda row: "Yes" if row.has_something else empty(""),
            width=52,
        ),
    )

    def fields(self) -> dict[str, forms.Field]:
        states = [(DISABLED, "Disabled"), (LOCKED, "Locked")]
        return {"user": text_field("User"), "state": choice_field("State", "Disabled and locked", states)}

    def answer(self, question: Question) -> AccountsAnswer:
        accounts = leavers(question.days)
        if name := question.text("user"):
            accounts = accounts.filter(of_accounts(name, "pk"))
        if state := question.text("state"):
            accounts = accounts.filter(is_active=state == LOCKED)
        return AccountsAnswer(accounts)
