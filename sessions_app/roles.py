"""The three kinds of users, as Django permissions. Two groups carry them (see create_role_groups in apps.py).

Administrators manage everything. Auditors read everything that is logged and recorded, and change nothing. Users see
what is their own. A superuser is an administrator. The first check in a request costs the two permission queries, whose
result Django keeps on the user.
"""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db.models import Case, CharField, Exists, OuterRef, Value, When

ADMINISTRATORS = "Administrators"
AUDITORS = "Auditors"
ADMINISTER = "sessions_app.administer"
AUDIT = "sessions_app.audit"
ROLES = {"administrator": "Administrator", "auditor": "Auditor", "user": "User"}

Person = AbstractUser | AnonymousUser


def is_administrator(user: Person) -> bool:
    return bool(user.has_perm(ADMINISTER))


def sees_everything(user: Person) -> bool:
    """Return whether the user may read everything, which administrators and auditors may."""
    return bool(user.has_perm(AUDIT)) or is_administrator(user)


def role_of_user() -> Case:
    """Return an expression for the key of ROLES, from the permissions of the user and of the user's groups."""
    everybody = get_user_model()._default_manager

    def may(permission: str) -> Exists:
        # None includes disabled people; the stubs know only bool.
        holders = everybody.with_perm(permission, is_active=None)  # type: ignore[arg-type]
        return Exists(holders.filter(pk=OuterRef("pk")))

    return Case(
        When(may(ADMINISTER), then=Value("administrator")),
        When(may(AUDIT), then=Value("auditor")),
        default=Value("user"),
        output_field=CharField(),
    )
