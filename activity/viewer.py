"""The person who looks at a page."""

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def viewer(request: HttpRequest) -> AbstractUser:
    """Return the person of this request, for code behind the login. Raises PermissionDenied for a stranger."""
    if not isinstance(request.user, AbstractUser):
        raise PermissionDenied("Log in first.")
    return request.user
