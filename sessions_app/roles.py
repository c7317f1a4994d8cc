"""The three kinds of users, as Django permissions. Two groups carry them (see create_role_groups in apps.py).

Administrators manage everything. Auditors read everything that is logged and recorded, and change nothing. Users see
what is their own. A superuser is an administrator. The first check in a request costs the two permission queries, whose
result Django keeps on the user.
"""

from django.contrib.auth.models import AbstractUser, AnonymousUser

ADMINISTRATORS = "Administrators"
AUDITORS = "Auditors"
ADMINISTER = "sessions_app.administer"
AUDIT = "sessions_app.audit"

Person = AbstractUser | AnonymousUser


def is_administrator(user: Person) -> bool:
    return bool(user.has_perm(ADMINISTER))


def sees_everything(user: Person) -> bool:
    """Return whether the user may read everything, which administrators and auditors may."""
    return bool(user.has_perm(AUDIT)) or is_administrator(user)
