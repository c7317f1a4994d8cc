"""The table of deeds: which need a fresh factor (fresh.py), and which do not. step_up_middleware.py enforces it.

A deed is named by the name of its address. What gives a right, shows a secret or changes who may do what needs a fresh
factor (OWASP ASVS 5, 7.5.1 and 7.5.3). What ends or stops something in an emergency does not, except to cut everything
of a person and to terminate several sessions at once. A name that accepts POST has to be in one of the two tables; a
test fails until it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest
from django.urls import ResolverMatch

from activity.viewer import viewer
from sessions_app.choosing import FIND
from sessions_app.configuration.forms import SHOW
from sessions_app.roles import sees_everything

# Gets the request and what the address holds. Return whether this request is a deed that needs a fresh factor.
Condition = Callable[[HttpRequest, Mapping[str, Any]], bool]


def on_post(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    return request.method == "POST"


def always(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    return True


def on_saving(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    """Return whether a form of the configuration is sent, and not only shown again for the choices so far."""
    return request.method == "POST" and SHOW not in request.POST and FIND not in request.POST


def on_action(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    """Return whether sessions are unlocked or approved, or more than one is terminated."""
    if request.method != "POST":
        return False
    verb = kwargs.get("verb")
    return verb in ("approve", "unlock") or (verb == "terminate" and len(set(request.POST.getlist("ids"))) > 1)


def on_download_of_everybodys_log(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    return "csv" in request.GET and sees_everything(viewer(request))


def _configured(*names: str, deletes: bool = True) -> dict[str, Condition]:
    """Return the addresses that add, change and delete the objects of these kinds."""
    verbs = {"add": on_saving, "change": on_saving} | ({"delete": on_post} if deletes else {})
    return {f"{name}_{verb}": condition for name in names for verb, condition in verbs.items()}


NEEDED: Mapping[str, Condition] = {
    # What gives a right, or gives it back
    "session_action": on_action,
    "account_unlock": on_post,
    "resource_unlock": on_post,
    # More than one emergency needs
    "account_cut": on_post,
    # What may be requested, by whom, and how
    **_configured("resource", "activity_kind", "profile", "policy", "secret", "service_key"),
    "resources_add_many": on_post,
    "host_key_confirm": on_post,
    # People, their roles and passwords
    **_configured("group"),
    **_configured("user", "application", deletes=False),
    "user_password": on_post,
    # Ways to connect that can be carried away
    "ssh_key_add": on_post,
    "session_certificate": on_post,
    "session_password": on_post,
    # Ways to sign in
    "factor_app_add": on_post,
    "sign_in_settings": on_saving,
    # What is secret
    "secret_show": on_post,
    "recording_typed": always,
    "activity_log": on_download_of_everybodys_log,
}

NOT_NEEDED = frozenset(
    {
        # Ways in and out, which ask for factors themselves or end something
        "login",
        "account_login",
        "logout",
        "logins_logout",
        "logins_logout_others",
        "ssh_login",
        "password_change",  # asks for the password itself
        "mfa_authenticate",
        "mfa_cancel",
        # What stops something, or takes a way to connect away
        "account_lock",
        "resource_lock",
        "ssh_key_remove",
        # What asks somebody else, or only looks
        "session_request",  # the connection profile says whether beginning needs a factor
        "session_ticket",  # the connection profile says whether connecting needs a factor
        "secret_copied",
        "host_check",
        "health_hosts",
        # What a person chooses for the own pages
        "settings",
        "save_density",
        "save_columns",
        "save_downloads",
    }
)

# Every other form of the administration changes the configuration.
NOT_NEEDED_IN_ADMINISTRATION = frozenset({"admin:login", "admin:logout"})


def condition_of(name: str) -> Condition | None:
    """Return when a request to the address `name` needs a fresh factor; None if it never does."""
    if name.startswith("admin:") and name not in NOT_NEEDED_IN_ADMINISTRATION:
        return on_post
    return NEEDED.get(name)


def is_listed(name: str) -> bool:
    """Return whether this module says something about the address `name`."""
    return condition_of(name) is not None or name in NOT_NEEDED or name in NOT_NEEDED_IN_ADMINISTRATION


def needs_fresh_factor(request: HttpRequest, match: ResolverMatch) -> bool:
    """Return whether this request is a deed that needs a fresh factor."""
    condition = condition_of(match.view_name)
    return condition is not None and condition(request, match.kwargs)
