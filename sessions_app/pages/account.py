"""The page about oneself: role, groups, logins, keys and locks."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from activity.models import DownloadPreference
from activity.viewer import viewer
from sessions_app.hosts.models import UserKey
from sessions_app.logins.backend import current_login
from sessions_app.logins.service import live_logins
from sessions_app.pages.devices import own_devices
from sessions_app.people.models import AccountLock
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.roles import Person, is_administrator, sees_everything


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Show what the console knows about the person who is logged in."""
    me, login = viewer(request), current_login(request)
    own_locks = (
        AccountLock.objects.filter(user_id=me.pk).select_related("locked_by", "lifted_by").order_by("-locked_at")
    )
    locked = PrivilegedSession.objects.mine(me).filter(status=Status.LOCKED).order_by("-requested_at")
    context = {
        "heading": "Your account",
        "role": role_name(me),
        "groups": list(me.groups.order_by("name")),
        "login": login,
        "live_logins": live_logins(me).count(),
        "devices": own_devices(me.pk),
        "this_device": login.known_device_id if login is not None else None,
        "ssh_keys": list(UserKey.objects.filter(user_id=me.pk)),
        "account_locks": list(own_locks[:20]),
        "locked_sessions": list(locked[:100]),
        "has_single_sign_on": bool(settings.SSO_PROVIDERS),
        "downloads": DownloadPreference.of(me),
    }
    return render(request, "sessions_app/pages/people/account.html", context)


def role_name(user: Person) -> str:
    """Return Administrator, Auditor or User."""
    if is_administrator(user):
        return "Administrator"
    return "Auditor" if sees_everything(user) else "User"
