"""The rows and columns of the lists of users, groups and applications, with counts.

The views decide who may see these lists: only people who may see everything.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.db.models import Case, CharField, OuterRef, QuerySet, Subquery, Value, When
from django.utils.safestring import SafeString

from activity.addresses import numbered
from activity.listing import Card, Column, Table, badge, empty, link
from sessions_app.help.hints import help_hint
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock, Application
from sessions_app.privileged.models import LIVE, PrivilegedSession, Status
from sessions_app.roles import ROLES, role_of_user, sees_everything
from sessions_app.row_counts import count_of


def visible_accounts(viewer: AbstractUser) -> Any:
    """Return all accounts for administrators and auditors, else only one's own."""
    every = get_user_model().objects.all()
    return every if sees_everything(viewer) else every.filter(pk=viewer.pk)


def users_queryset() -> QuerySet[AbstractUser]:
    """Return every person with role, state and counts. Applications have a list of their own."""
    return _with_role_and_counts(get_user_model().objects.filter(application=None))


def members_queryset(group: Group) -> QuerySet[AbstractUser]:
    """Return the members of a group (people and applications) with the same columns."""
    return _with_role_and_counts(get_user_model().objects.filter(groups=group))


def groups_queryset() -> QuerySet[Group]:
    """Return every group with the number of its members and of their sessions."""
    sessions = PrivilegedSession.objects.filter(user__groups=OuterRef("pk"))
    members = get_user_model().objects.filter(groups=OuterRef("pk"))
    return Group.objects.annotate(
        members=count_of(members, "groups"),
        live_sessions=count_of(sessions.filter(status__in=LIVE), "user__groups"),
        scheduled_sessions=count_of(sessions.filter(status=Status.PENDING), "user__groups"),
    )


def applications_queryset() -> QuerySet[Application]:
    """Return every application with its state and counts."""
    sessions = PrivilegedSession.objects.filter(user=OuterRef("principal"))
    return Application.objects.select_related("principal", "owner").annotate(
        lock_title=_standing_lock_title("principal"),
        state=_state("principal__is_active"),
        live_sessions=count_of(sessions.filter(status__in=LIVE), "user"),
        scheduled_sessions=count_of(sessions.filter(status=Status.PENDING), "user"),
    )


def _with_role_and_counts(users: QuerySet[Any]) -> QuerySet[Any]:
    sessions = PrivilegedSession.objects.filter(user=OuterRef("pk"))
    logins = LoginSession.objects.live().filter(user=OuterRef("pk"))
    annotated: QuerySet[Any] = users.annotate(
        role=role_of_user(),
        lock_title=_standing_lock_title("pk"),
        state=_state("is_active"),
        live_sessions=count_of(sessions.filter(status__in=LIVE), "user"),
        scheduled_sessions=count_of(sessions.filter(status=Status.PENDING), "user"),
        live_logins=count_of(logins, "user"),
    )
    return annotated


def _standing_lock_title(user: str) -> Subquery:
    return Subquery(AccountLock.objects.in_force().filter(user=OuterRef(user)).values("title")[:1])


def _state(is_active: str) -> Case:
    """Return an expression for “active”, “locked” or “disabled”. The row needs the annotation lock_title."""
    return Case(
        When(**{is_active: False}, then=Value("disabled")),
        When(lock_title__isnull=False, then=Value("locked")),
        default=Value("active"),
        output_field=CharField(),
    )


def state_badge(state: str) -> SafeString:
    """Return the badge of an account's state."""
    kind, label, icon = {
        "active": ("available", "Active", "check"),
        "locked": ("locked", "Locked", "lock"),
        "disabled": ("failed", "Disabled", "ban"),
    }[state]
    return badge(kind, label, icon)


def _sessions_columns() -> tuple[Column, ...]:
    """Return the columns with counts that every list here has."""
    return (
        Column("active", "Active sessions", "live_sessions", 130, is_number=True),
        Column("scheduled", "Scheduled sessions", "scheduled_sessions", 155, is_number=True),
    )


def _state_column() -> Column:
    return Column("state", "State", "state", 100, lambda row: state_badge(row.state))


def _role(row: Any) -> str:
    return ROLES[row.role]


def _user(row: Any) -> str:
    return link(numbered("user", row.pk), row.get_username())


def _group(row: Any) -> str:
    return link(numbered("group", row.pk), row.name)


def _application(row: Any) -> str:
    return link(numbered("application", row.pk), row)


def _owner(row: Any) -> str:
    return link(numbered("user", row.owner_id), row.owner) if row.owner_id else empty("")


def users_table(name: str = "users") -> Table:
    """Return the columns of /users/, and with the name `members` those of a group's members."""
    return Table(
        name=name,
        columns=(
            Column("user", "User", "username", 140, _user),
            Column(
                "name",
                "Name",
                "last_name",
                130,
                cell=lambda r: empty(r.get_full_name()),
                csv=lambda r: r.get_full_name(),
            ),
            Column("email", "E-mail", "email", 150),
            Column("role", "Role", "role", 110, _role, _role),
            _state_column(),
            *_sessions_columns(),
            Column("logins", "Live logins", "live_logins", 100, is_number=True),
            Column("last_login", "Last login", "last_login", 165),
        ),
        default_sort="user",
        noun="user" if name == "users" else "member",
        nouns="users" if name == "users" else "members",
        search=("username", "first_name", "last_name", "email"),
        empty_text=help_hint(
            "Everybody who may log in has an account here.", "how-to/people", "add-a-person", "How to add a person"
        ),
        opens="user",
        card=Card("user", "state", "role", "active"),
        grows=("user", "name"),
        flexible=("email", "name", "user"),
        slow_csv="Names and roles are written by Python.",
    )


def groups_table() -> Table:
    """Return the columns of /groups/."""
    return Table(
        name="groups",
        columns=(
            Column("group", "Group", "name", 240, _group),
            Column("members", "Members", "members", 110, is_number=True),
            *_sessions_columns(),
        ),
        default_sort="group",
        noun="group",
        nouns="groups",
        search=("name",),
        empty_text=help_hint(
            "Access policies and approval tiers name groups, so that a new colleague only has to join one.",
            "lifecycle",
            "approval",
            "How approval works",
        ),
        opens="group",
        card=Card("group", text="members", note="active"),
        flexible=("group",),
    )


def applications_table() -> Table:
    """Return the columns of /applications/."""
    return Table(
        name="applications",
        columns=(
            Column("application", "Application", "principal__username", 200, _application),
            Column("description", "Description", "description", 280, sort=""),
            Column("owner", "Owner", "owner__username", cell=_owner, csv=lambda row: row.owner),
            _state_column(),
            *_sessions_columns(),
        ),
        default_sort="application",
        noun="application",
        nouns="applications",
        search=("principal__username", "description"),
        empty_text="An application is an account without a password, for which administrators request sessions.",
        opens="application",
        card=Card("application", "state", "owner", "active"),
        flexible=("description", "application"),
        slow_csv="The owner is named by Python.",
    )
