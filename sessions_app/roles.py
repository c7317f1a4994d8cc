"""The three kinds of people, as Django permissions; two groups carry them (see create_role_groups in apps).

Administrators manage everything, auditors read everything and change nothing, users see their own. A superuser is an
administrator. Each check costs the two permission queries once a request, which Django caches on the user.
"""

from django.contrib.auth.models import AbstractUser, AnonymousUser

ADMINISTRATORS = "Administrators"
AUDITORS = "Auditors"
ADMINISTER = "sessions_app.administer"
AUDIT = "sessions_app.audit"

Person = AbstractUser | AnonymousUser


def is_administrator(user: Person) -> bool:
    """May manage everything."""
    return bool(user.has_perm(ADMINISTER))


def sees_everything(user: Person) -> bool:
    """May read everything: administrators and auditors."""
    return bool(user.has_perm(AUDIT)) or is_administrator(user)
