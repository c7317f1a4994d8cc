"""The table of deeds: which need a fresh factor (fresh.py), and which do not. step_up_middleware.py enforces it.

A deed is named by the name of its address. What gives a right, shows a secret or changes who may do what needs a fresh
factor (OWASP ASVS 5, 7.5.1 and 7.5.3). What ends or stops something in an emergency does not, except to cut everything
of a person and to terminate several sessions at once. A name that accepts POST has to be in one of the two tables; a
test fails until it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import resolve

from activity.listing.links import asks_for_download
from activity.viewer import viewer
from sessions_app.choosing import FIND
from sessions_app.configuration.forms import SHOW
from sessions_app.factors.check import factors_of
from sessions_app.logins.backend import current_login
from sessions_app.logins.service import live_logins
from sessions_app.roles import sees_everything

# Gets the request and what the address holds. Return whether this request is a deed that needs a fresh factor.
Condition = Callable[[HttpRequest, Mapping[str, Any]], bool]


def on_post(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    return request.method == "POST"


def on_reading(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    return request.method in ("GET", "HEAD")


def on_reading_or_post(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    return on_reading(request, kwargs) or on_post(request, kwargs)


def on_saving(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    """Return whether a form of the configuration is sent, and not only shown again for the choices so far."""
    return request.method == "POST" and SHOW not in request.POST and FIND not in request.POST


def on_action(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    """Return whether sessions are unlocked or approved, or more than one is terminated."""
    if request.method != "POST":
        return False
    verb = kwargs.get("verb")
    return verb in ("approve", "unlock") or (verb == "terminate" and len(set(request.POST.getlist("ids"))) > 1)


def on_other_logins_of_oneself(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    """Return whether the person logs out browsers of their own, other than this one (OWASP ASVS 5, 7.5.2)."""
    if request.method != "POST":
        return False
    ids = [text for text in request.POST.getlist("ids") if text.isascii() and text.isdigit() and len(text) < 19]
    own = live_logins(viewer(request), but=current_login(request))
    return own.filter(pk__in={int(text) for text in ids}).exists()


def on_download_of_everybodys_log(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    return on_reading(request, kwargs) and asks_for_download(request.GET) and sees_everything(viewer(request))


def on_post_past_second_factor(request: HttpRequest, kwargs: Mapping[str, Any]) -> bool:
    """Return whether a form that asks for the password is sent by a person whose factor is not the password."""
    return request.method == "POST" and factors_of(viewer(request)).any


@dataclasses.dataclass(frozen=True, slots=True)
class Deed:
    """What is done at an address, as a verb without “to” for the question and the log, and when it needs a factor.

    Names of values in the address can stand in the words, such as {verb}. `is_download` says that the answer is a file,
    which no browser shows in place of the question.
    """

    words: str
    condition: Condition = on_post
    is_download: bool = False


def _configured(name: str, noun: str, *, deletes: bool = True) -> dict[str, Deed]:
    """Return the deeds of the addresses that add, change and delete the objects of one kind."""
    deeds = {f"{name}_add": Deed(f"add {noun}", on_saving), f"{name}_change": Deed(f"change {noun}", on_saving)}
    return deeds | ({f"{name}_delete": Deed(f"delete {noun}")} if deletes else {})


NEEDED: Mapping[str, Deed] = {
    # What gives a right, or gives it back
    "session_action": Deed("{verb} sessions", on_action),
    "account_unlock": Deed("unlock the account"),
    "resource_unlock": Deed("open the resource again"),
    # More than one emergency needs
    "account_cut": Deed("cut everything of a person"),
    "group_logout": Deed("log out a group"),
    "logins_logout_everybody": Deed("log out everybody else"),
    # Whoever holds a stolen cookie must not push the owner out; “This wasn't me” asks for nothing
    "logins_logout": Deed("log out other browsers of yours", on_other_logins_of_oneself),
    "logins_logout_others": Deed("log out other browsers of yours"),
    # What may be requested, by whom, and how
    **_configured("resource", "a resource"),
    "resources_add_many": Deed("add resources"),
    "host_key_confirm": Deed("confirm a host key"),
    **_configured("activity_kind", "an activity"),
    **_configured("profile", "a connection profile"),
    **_configured("policy", "an access policy"),
    **_configured("secret", "a secret"),
    **_configured("service_key", "a service key"),
    # People, their roles and passwords
    **_configured("user", "a user", deletes=False),
    "user_password": Deed("set a password"),
    **_configured("group", "a group"),
    **_configured("application", "an application", deletes=False),
    "user_login_rule": Deed("change a login rule", on_saving),
    "group_login_rule": Deed("change a login rule", on_saving),
    "sign_in_settings": Deed("change how people sign in", on_saving),
    # Where the evidence goes
    **_configured("siem_destination", "a SIEM destination"),
    "siem_pause": Deed("pause the delivery to a SIEM"),
    # Ways to connect that can be carried away
    "ssh_key_add": Deed("register an SSH key"),
    "session_certificate": Deed("get a certificate"),
    "session_password": Deed("get a one-time password"),
    # Ways to sign in
    "password_change": Deed("change your password", on_post_past_second_factor),
    # A code is good for seconds only, so the factor is asked for before it is shown.
    "factor_app_add": Deed("set up an authenticator app", on_reading_or_post),
    "factor_key_add": Deed("set up a security key or passkey", on_reading_or_post),
    "factor_remove": Deed("remove a second factor"),
    "recovery_codes": Deed("make new recovery codes"),
    "user_factors": Deed("change whether a second factor is required"),
    "factors_reset": Deed("reset the second factors of a person"),
    "sso_link": Deed("link a provider of single sign-on"),
    "sso_unlink": Deed("remove a link to a provider"),
    "user_sso": Deed("change how a person signs in"),
    "scim_token_add": Deed("make a SCIM token"),
    # Reviews: what is stated under one's name, and who may do what
    "log_review_sign": Deed("sign off the log"),
    "access_review_add": Deed("begin an access review", on_saving),
    "access_review_commit": Deed("commit an access review"),
    "access_exception_lift": Deed("give a right back"),
    # What is secret
    "secret_show": Deed("show a secret"),
    "recording_typed": Deed("download what was typed", on_reading, is_download=True),
    "schedule_add": Deed("schedule an export"),
    "schedule_change": Deed("change a scheduled export"),
    "schedule_file": Deed("download an export", on_reading, is_download=True),
    "activity_log": Deed("download the log", on_download_of_everybodys_log, is_download=True),
}
OF_ADMINISTRATION = Deed("change the configuration")

NOT_NEEDED = frozenset(
    {
        # Ways in and out, which ask for factors themselves or end something
        "login",
        "account_login",
        "logout",
        "confirm",  # asks for the factor
        "user_logout",
        "not_me",
        "not_me_password",  # asks for the password itself
        "login_not_me",
        "new_device_seen",
        "device_name",
        "device_forget",
        "ssh_login",
        "sso_confirm",
        "sso_back_channel",  # of a provider, whose signature counts
        "sso_saml_acs",  # as well
        "mfa_authenticate",
        "mfa_cancel",
        "passkey_login",
        # What stops something, or takes a way to connect away
        "account_lock",
        "resource_lock",
        "ssh_key_remove",
        "scim_token_revoke",
        # What asks somebody else, or only looks
        "session_request",  # the connection profile says whether beginning needs a factor
        "session_ticket",  # the connection profile says whether connecting needs a factor
        "secret_copied",
        "host_check",
        "health_hosts",
        "siem_test",
        "schedule_pause",
        "schedule_run",
        "schedule_delete",
        "siem_resume",
        "siem_send_again",
        # Programs, which bring a token and have no login
        "scim_users",
        "scim_user",
        "scim_groups",
        "scim_group",
        "scim_config",
        "scim_resource_types",
        "scim_resource_type",
        "scim_schemas",
        "scim_schema",
        "scim_search",
        "scim_unknown",
        # Reviews: what has no effect before it is signed off or committed
        "log_review_add",
        "log_review_discard",
        "review_exception",
        "review_exception_add",
        "review_exception_close",
        "review_exception_remove",
        "access_review_change",
        "access_review_decide",
        "access_review_cancel",
        # What a person chooses for the own pages
        "factor_rename",
        "settings",
        "save_density",
        "save_columns",
        "save_downloads",
        # Saved views, which show nobody more than their own list does
        "saved_view_save",
        "saved_view_change",
        "saved_view_mark",
        "saved_view_delete",
    }
)

# Every other form of the administration changes the configuration.
NOT_NEEDED_IN_ADMINISTRATION = frozenset({"admin:login", "admin:logout"})


def deed_at(name: str) -> Deed | None:
    """Return what is done at the address `name` that can need a fresh factor; None if nothing there ever does."""
    if name.startswith("admin:") and name not in NOT_NEEDED_IN_ADMINISTRATION:
        return OF_ADMINISTRATION
    return NEEDED.get(name)


def is_listed(name: str) -> bool:
    """Return whether this module says something about the address `name`."""
    return deed_at(name) is not None or name in NOT_NEEDED or name in NOT_NEEDED_IN_ADMINISTRATION


def is_download(address: str) -> bool:
    """Return whether the answer at this address of the console is a file."""
    deed = deed_at(resolve(urlsplit(address).path).view_name)
    return deed is not None and deed.is_download


def waiting_deed(request: HttpRequest) -> str:
    """Return in words what this request does, if that needs a fresh factor; else an empty string."""
    match = request.resolver_match
    deed = deed_at(match.view_name) if match is not None else None
    if match is None or deed is None or not deed.condition(request, match.kwargs):
        return ""
    return deed.words.format(**match.kwargs)
