"""Every address x role x method: who gets what. A new address without an expectation fails the test.

Roles: a stranger, alice (whose things they are), outsider (another ordinary user), approver (who is asked about one of
alice's requests), auditor, admin, and locked (logged in, then locked).
Methods: GET, HTMX GET, GET with csv=1, POST, PUT, DELETE.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, User
from django.core import signing
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from activity import log
from activity.models import Checkpoint, SavedView
from activity.verbs import Verb
from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.devices.models import Device
from sessions_app.hosts.models import ServiceKey, UserKey
from sessions_app.logins.models import LoginSession, NewDeviceNotice
from sessions_app.not_me.links import SALT
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import Approval, ControlRequest, PrivilegedSession, Status
from sessions_app.reports.every_report import REPORTS
from sessions_app.reviews.models import AccessReview, AccessReviewItem, LogReview, ReviewException
from sessions_app.scim.models import ScimToken
from sessions_app.sso.models import Identity
from tests.support import builders
from tests.support.factors import give_key
from tests.support.pages import ClientResponse, streamed
from tests.support.recordings import make_recording, make_running
from tests.support.reviews import make_access_review, make_log_review
from tests.support.schedules import make_scheduled_export
from tests.support.siem import make_destination
from tests.support.vault import make_secret

AsUser = Callable[[User], Client]
ROLES = ("alice", "outsider", "approver", "auditor", "admin")
Codes = tuple[int, int, int, int, int]  # for ROLES, in that order
ALL: Codes = (200,) * 5
OF_ADMINS: Codes = (404, 404, 404, 404, 200)
OF_ADMINS_DONE: Codes = (404, 404, 404, 404, 302)
TO_PAGE: Codes = (302,) * 5
NOT_ALLOWED: Codes = (405,) * 5
READERS: Codes = (403, 403, 403, 200, 200)  # a list that only those who see everything have
THEIRS: Codes = (404, 404, 404, 200, 200)  # an object that only those who see everything have
OWN: Codes = (200, 404, 404, 200, 200)  # an object of alice's
ALICE_ONLY: Codes = (200, 404, 404, 404, 404)  # of alice alone
NO_TOKEN: Codes = (401,) * 5  # SCIM is for programs with a token: a login counts for nothing there
OF_AUDITOR: Codes = (403, 403, 403, 200, 404)  # what the auditor made for themselves
ADMIN_ONLY: Codes = (403, 403, 403, 403, 200)
AUDITORS_ONLY: Codes = (403, 403, 403, 200, 403)
REVIEWERS: Codes = (404, 404, 200, 200, 200)  # the approver reviews rights


@dataclasses.dataclass(frozen=True)
class Address:
    """What each role gets. `csv`: True where csv=1 is a download for who may GET; False where it changes nothing."""

    name: str
    path: str
    get: Codes
    post: Codes = NOT_ALLOWED
    csv: bool = False
    put: int = 405
    send: dict[str, str] = dataclasses.field(default_factory=dict)
    is_open: bool = False  # strangers too

    def __str__(self) -> str:
        return self.path


def configured(name: str, prefix: str, which: str, codes: Codes) -> list[Address]:
    """Return the addresses of the forms of one model. `codes` is for a form of the object `which`.

    An empty form is refused (422), and nothing that is in use is deleted (422).
    """
    refused = (*codes[:4], 422)
    return [
        Address(f"{name}_add", f"/{prefix}/add/", ADMIN_ONLY, (403, 403, 403, 403, 422)),
        Address(f"{name}_change", f"/{prefix}/{which}/change/", codes, refused),
        Address(f"{name}_delete", f"/{prefix}/{which}/delete/", codes, refused),
    ]


ADDRESSES = [
    Address("home", "/", (200, 200, 302, 200, 200)),  # the approver has something to decide
    *(
        Address("overview_part", f"/overview/{part}/", codes)
        for parts, codes in (
            (("mine", "again"), (200, 200, 200, 403, 403)),
            (("queue",), (403, 403, 200, 403, 403)),
            (("reviews", "figures", "exports"), (403, 403, 403, 200, 403)),
            (("attention", "ending", "waiting", "live", "countries", "refused"), ADMIN_ONLY),
        )
        for part in parts
    ),
    Address("overview_part", "/overview/nothing/", (404,) * 5),
    Address("approvals", "/approvals/", ALL),
    Address("alive", "/alive/", ALL),
    Address("jump", "/jump/?q=a", ALL),
    Address("keys", "/keys/", ALL),
    Address("styleguide", "/styleguide/", ALL),
    Address("login", "/accounts/login/", ALL, ALL, put=200, is_open=True),
    Address("account_login", "/accounts/login/", ALL, ALL, put=200, is_open=True),
    # Who is logged in is at no second step.
    Address("mfa_authenticate", "/accounts/2fa/authenticate/", TO_PAGE, TO_PAGE, is_open=True),
    Address("mfa_cancel", "/accounts/2fa/cancel/", NOT_ALLOWED, TO_PAGE, is_open=True),
    Address("mfa_options", "/accounts/2fa/authenticate/key/", (403,) * 5, is_open=True),
    Address("passkey_login", "/accounts/2fa/passkey/", NOT_ALLOWED, TO_PAGE, is_open=True),
    Address("passkey_options", "/accounts/2fa/passkey/options/", ALL, is_open=True),
    Address("factors", "/accounts/2fa/", ALL),
    Address("factor_key_add", "/accounts/2fa/keys/passkey/", ALL, (422,) * 5),
    Address("factor_key_add", "/accounts/2fa/keys/something/", (404,) * 5, (404,) * 5),
    Address("factor_key_options", "/accounts/2fa/keys/passkey/options/", ALL),
    Address("factor_options", "/accounts/2fa/options/", ALL),
    Address("recovery_codes", "/accounts/2fa/codes/", (200, 302, 302, 302, 302), (200, 302, 302, 302, 302)),
    Address("factor_rename", "/accounts/2fa/{factor}/", (200, 404, 404, 404, 404), (422, 404, 404, 404, 404)),
    Address("factor_remove", "/accounts/2fa/{factor}/remove/", (200, 404, 404, 404, 404), (302, 404, 404, 404, 404)),
    Address("factor_app_add", "/accounts/2fa/app/", ALL, (422,) * 5),
    Address("password_change", "/accounts/password/", ALL, ALL, put=200),
    Address("settings", "/settings/", ALL, (422,) * 5),
    Address("sign_in_settings", "/sign-in/", ADMIN_ONLY, (403, 403, 403, 403, 422)),
    Address("confirm", "/accounts/confirm/", ALL, (422,) * 5),
    Address("account", "/accounts/me/", ALL),
    Address("sso_confirm", "/accounts/sso/nowhere/confirm/", NOT_ALLOWED, (404,) * 5),
    Address("sso_account", "/accounts/sso/", ALL),
    Address("sso_login", "/accounts/sso/nowhere/login/", (404,) * 5, is_open=True),
    Address("sso_callback", "/accounts/sso/nowhere/callback/", (404,) * 5, is_open=True),
    Address("sso_back_channel", "/accounts/sso/nowhere/back-channel-logout/", NOT_ALLOWED, (404,) * 5, is_open=True),
    Address("sso_saml_acs", "/accounts/sso/nowhere/acs/", NOT_ALLOWED, (404,) * 5, is_open=True),
    Address("sso_saml_arrival", "/accounts/sso/nowhere/acs/arrival/", (404,) * 5, is_open=True),
    Address("sso_saml_metadata", "/accounts/sso/nowhere/metadata/", (404,) * 5, is_open=True),
    Address("sso_saml_logout", "/accounts/sso/nowhere/slo/", (404,) * 5, is_open=True),
    Address("sso_link", "/accounts/sso/nowhere/link/", NOT_ALLOWED, (404,) * 5),
    Address(
        "sso_unlink", "/accounts/sso/links/{identity}/remove/", (200, 404, 404, 404, 404), (302, 404, 404, 404, 404)
    ),
    Address("ssh_key_add", "/accounts/keys/add/", ALL, (422,) * 5),
    Address("ssh_key_remove", "/accounts/keys/{key}/remove/", (200, 404, 404, 404, 404), (302, 404, 404, 404, 404)),
    # Login sessions
    Address("logins", "/logins/", ALL, csv=True),
    Address("logins_map", "/logins/map/", ALL),
    Address("logins_logout_everybody", "/logins/logout-everybody/", ADMIN_ONLY, (403, 403, 403, 403, 302)),
    Address("login_detail", "/logins/{login}/", OWN),
    Address("logins_logout", "/logins/logout/?ids={login}", OWN, (302, 404, 404, 403, 302), send={"ids": "{login}"}),
    Address("logins_logout_others", "/logins/logout-others/", ALL, TO_PAGE),
    Address("device_name", "/accounts/devices/{device}/name/", ALICE_ONLY, (302, 404, 404, 404, 404)),
    Address("device_forget", "/accounts/devices/{device}/forget/", ALICE_ONLY, (302, 404, 404, 404, 404)),
    Address("new_device_seen", "/logins/{login}/seen/", NOT_ALLOWED, (302, 404, 404, 404, 404)),
    Address("not_me", "/accounts/not-me/{signed}/", ALL, TO_PAGE, is_open=True),
    Address("not_me_password", "/accounts/not-me/{signed}/password/", TO_PAGE, TO_PAGE, is_open=True),  # no report yet
    # Privileged sessions
    Address("sessions", "/sessions/", ALL, csv=True),
    Address("sessions", "/sessions/?whose=all", READERS, csv=True),
    Address("session", "/sessions/{available}/", OWN),
    Address("session", "/sessions/{waiting}/", (200, 404, 200, 200, 200)),
    Address("session_connections", "/sessions/{available}/connections/", OWN),
    Address("session_connections", "/sessions/{waiting}/connections/", (200, 404, 200, 200, 200)),
    Address("session_recordings", "/sessions/{available}/recordings/", OWN),
    Address("session_recordings", "/sessions/{waiting}/recordings/", (200, 404, 403, 200, 200)),
    Address("session_log", "/sessions/{available}/log/", OWN, csv=True),
    Address("session_log", "/sessions/{waiting}/log/", (200, 404, 200, 200, 200), csv=True),
    # Recordings of alice's session: hers, and of those who see everything; not of who approves it
    Address("recordings", "/recordings/", ALL, csv=True),
    Address("recordings", "/recordings/?q=whoami", ALL, csv=True),
    Address("recording", "/recordings/{recording}/", OWN),
    Address("recording_cast", "/recordings/{recording}/cast/", OWN),
    Address("recording_typed", "/recordings/{typed}/typed/", (403, 404, 404, 403, 200)),
    Address("recording_live", "/recordings/{running}/live/", OWN),
    Address("recording_pieces", "/recordings/{running}/pieces/", (403, 404, 404, 403, 403)),
    # Secrets are for the session's own user: who sees everything sees none of them.
    Address(
        "session_certificate",
        "/sessions/{available}/certificate/",
        (200, 404, 404, 403, 403),
        (422, 404, 404, 403, 403),
    ),
    # Whoever sees everything connects to nobody's session; this one has no host with SSH, hence no ticket.
    Address("session_terminal", "/sessions/{available}/terminal/", (200, 404, 404, 403, 403)),
    Address("session_ticket", "/sessions/{available}/ticket/", NOT_ALLOWED, (422, 404, 404, 403, 403)),
    Address("session_password", "/sessions/{available}/password/", NOT_ALLOWED, (422, 404, 404, 403, 403)),
    # Only one's own sessions are looked for, by name or number in the form: nobody learns that this one is there.
    Address("ssh_login", "/sessions/ssh/", NOT_ALLOWED, (422,) * 5, send={"session": "{available}", "key": "x"}),
    Address("secret_show", "/sessions/{vault}/secrets/{secret}/show/", NOT_ALLOWED, (200, 404, 404, 403, 403)),
    Address("secret_copied", "/sessions/{vault}/secrets/{secret}/copied/", NOT_ALLOWED, (422, 404, 404, 403, 403)),
    Address("session_request", "/sessions/request/", (200, 200, 200, 403, 200), (200, 200, 200, 403, 200)),
    *(
        Address(
            "session_action",
            f"/sessions/do/{verb}/?ids={{{which}}}",
            get,
            post,
            send={"ids": f"{{{which}}}", **send},
        )
        for verb, which, get, post, send in (
            ("end", "available", (200, 404, 404, 403, 200), (302, 404, 404, 403, 302), {}),
            ("extend", "available", (200, 404, 404, 403, 200), (302, 404, 404, 403, 302), {}),
            ("lock", "available", ADMIN_ONLY, (403, 403, 403, 403, 302), {"title": "Stop"}),
            ("lock", "available", ADMIN_ONLY, (403, 403, 403, 403, 422), {"title": ""}),
            ("unlock", "available", ADMIN_ONLY, (403, 403, 403, 403, 302), {}),
            ("terminate", "available", ADMIN_ONLY, (403, 403, 403, 403, 302), {}),
            ("approve", "waiting", (200, 404, 200, 403, 200), (302, 404, 302, 403, 302), {}),
            ("deny", "waiting", (200, 404, 200, 403, 200), (302, 404, 302, 403, 302), {"reason": "No."}),
            ("log", "available", (302, 404, 404, 302, 302), (400, 404, 404, 400, 400), {}),
            ("relaunch", "ended", (302, 404, 404, 403, 302), (400, 404, 404, 403, 400), {}),
        )
    ),
    Address("session_action", "/sessions/do/nothing/?ids={available}", (404,) * 5, (404,) * 5),
    # What may be requested
    Address("resources", "/resources/", ALL, csv=True),
    Address("resource", "/resources/{resource}/", (200, 404, 200, 200, 200), csv=True),
    Address("resource", "/resources/{hidden_resource}/", THEIRS, csv=True),
    Address("resource_lock", "/resources/{resource}/lock/", (403, 404, 403, 403, 200), (403, 404, 403, 403, 422)),
    Address("host_check", "/resources/{resource}/check/", NOT_ALLOWED, (403, 404, 403, 403, 302)),
    Address("host_key_confirm", "/resources/{resource}/host-key/", NOT_ALLOWED, (403, 404, 403, 403, 302)),
    Address("resource_unlock", "/resources/{resource}/unlock/", (403, 404, 403, 403, 200), (403, 404, 403, 403, 422)),
    Address("resources_add_many", "/resources/add-many/", ADMIN_ONLY, (403, 403, 403, 403, 422)),
    *configured("resource", "resources", "{resource}", (403, 404, 403, 403, 200)),
    *configured("resource", "resources", "{hidden_resource}", (404, 404, 404, 403, 200))[1:],
    Address("activity_kinds", "/activities/", ALL, csv=True),
    Address("activity_kind", "/activities/{activity}/", (200, 404, 200, 200, 200)),
    Address("activity_kind", "/activities/{hidden_activity}/", THEIRS),
    *configured("activity_kind", "activities", "{activity}", (403, 404, 403, 403, 200)),
    Address("login_account_echo", "/activities/login-account/?login_account_template=x", ALL),
    Address("profiles", "/profiles/", ALL, csv=True),
    Address("profile", "/profiles/{profile}/", OWN),
    Address("profile", "/profiles/{hidden_profile}/", THEIRS),
    *configured("profile", "profiles", "{profile}", (403, 404, 404, 403, 200)),
    Address("policies", "/policies/", READERS, csv=True),
    Address("policy", "/policies/{policy}/", THEIRS),
    *configured("policy", "policies", "{policy}", (404, 404, 404, 403, 200))[:2],
    Address(
        "policy_delete", "/policies/{policy}/delete/", (404, 404, 404, 403, 200), (404, 404, 404, 403, 200)
    ),  # it asks
    Address("try_it", "/try/?user=alice&activity=x&resource=x", ALL),
    Address("secrets", "/secrets/", READERS, csv=True),
    *configured("secret", "secrets", "{secret}", (404, 404, 404, 403, 200))[:2],
    Address("secret_delete", "/secrets/{secret}/delete/", (404, 404, 404, 403, 200), (404, 404, 404, 403, 302)),
    Address("service_keys", "/service-keys/", READERS, csv=True),
    *configured("service_key", "service-keys", "{service_key}", (404, 404, 404, 403, 200)),
    # SCIM
    *(
        Address(name, f"/scim/v2/{path}", NO_TOKEN, NO_TOKEN, put=401, is_open=True)
        for name, path in (
            ("scim_users", "Users"),
            ("scim_user", "Users/user-{alice}"),
            ("scim_groups", "Groups"),
            ("scim_group", "Groups/group-{group}"),
            ("scim_config", "ServiceProviderConfig"),
            ("scim_resource_types", "ResourceTypes"),
            ("scim_resource_type", "ResourceTypes/User"),
            ("scim_schemas", "Schemas"),
            ("scim_schema", "Schemas/urn:ietf:params:scim:schemas:core:2.0:User"),
            ("scim_search", ".search"),
            ("scim_unknown", "nothing"),
        )
    ),
    Address("scim_tokens", "/scim-tokens/", READERS, csv=True),
    Address("scim_token_add", "/scim-tokens/add/", ADMIN_ONLY, (403, 403, 403, 403, 422)),
    Address(
        "scim_token_revoke",
        "/scim-tokens/{scim_token}/revoke/",
        (404, 404, 404, 403, 200),
        (404, 404, 404, 403, 302),
    ),
    # Evidence
    Address("evidence", "/evidence/", READERS),
    Address("evidence_checkpoint", "/evidence/checkpoint-{checkpoint}.txt", READERS),
    Address("evidence_timestamp", "/evidence/checkpoint-{checkpoint}.tsr", READERS),
    Address("evidence_verifier", "/evidence/verify_sessionadmin.py", READERS),
    # To the SIEM
    Address("siem", "/siem/", ADMIN_ONLY, csv=True),
    Address("siem_destination", "/siem/{destination}/", OF_ADMINS),
    *configured("siem_destination", "siem", "{destination}", OF_ADMINS)[:2],
    Address("siem_destination_delete", "/siem/{destination}/delete/", OF_ADMINS, OF_ADMINS_DONE),
    Address("siem_test", "/siem/{destination}/test/", (405,) * 5, OF_ADMINS_DONE),
    Address("siem_pause", "/siem/{destination}/pause/", (405,) * 5, OF_ADMINS_DONE),
    Address("siem_resume", "/siem/{destination}/resume/", (405,) * 5, OF_ADMINS_DONE),
    Address("siem_send_again", "/siem/{destination}/send-again/", OF_ADMINS, (404, 404, 404, 404, 422)),
    # Scheduled exports: the schedule is the auditor's
    Address("schedules", "/schedules/", READERS),
    Address("schedule_add", "/schedules/add/", READERS, (403, 403, 403, 422, 422)),
    Address("schedule", "/schedules/{schedule}/", READERS),
    Address("schedule_change", "/schedules/{schedule}/change/", OF_AUDITOR, (403, 403, 403, 422, 404)),
    Address("schedule_pause", "/schedules/{schedule}/pause/", NOT_ALLOWED, (403, 403, 403, 302, 404)),
    Address("schedule_run", "/schedules/{schedule}/run/", NOT_ALLOWED, (403, 403, 403, 302, 404)),
    Address("schedule_delete", "/schedules/{schedule}/delete/", READERS, (403, 403, 403, 302, 302)),
    Address("schedule_file", "/schedules/files/{schedule_token}/", (404, 404, 404, 200, 404), csv=True),
    # Reviews; the approver reviews rights, and alice is asked about an entry
    Address("reviews", "/reviews/", READERS, csv=True),
    Address("log_review_add", "/reviews/add/", AUDITORS_ONLY, (403, 403, 403, 422, 403)),
    Address("log_review", "/reviews/{log_review}/", THEIRS),
    Address("log_review_sign", "/reviews/{log_review}/sign/", (404, 404, 404, 200, 403), (404, 404, 404, 422, 403)),
    Address("log_review_export", "/reviews/{log_review}/export/", THEIRS),
    Address("review_exception_add", "/reviews/exceptions/add/", AUDITORS_ONLY, (403, 403, 403, 422, 403)),
    Address("review_exception", "/reviews/exceptions/{exception}/", OWN, (422, 404, 404, 403, 422)),
    Address(
        "review_exception_close",
        "/reviews/exceptions/{exception}/close/",
        NOT_ALLOWED,
        (403, 404, 404, 302, 403),
    ),
    Address(
        "review_exception_remove",
        "/reviews/exceptions/{exception}/remove/",
        NOT_ALLOWED,
        (403, 404, 404, 302, 403),
    ),
    Address(
        "log_review_discard", "/reviews/{log_review}/discard/", (404, 404, 404, 200, 403), (404, 404, 404, 302, 403)
    ),
    Address("access_reviews", "/reviews/access/", ALL, csv=True),
    Address("access_review_add", "/reviews/access/add/", READERS, (403, 403, 403, 422, 422)),
    Address("access_review", "/reviews/access/{access_review}/", REVIEWERS, csv=True),
    Address(
        "access_review_change",
        "/reviews/access/{access_review}/change/",
        (404, 404, 403, 200, 200),
        (404, 404, 403, 422, 422),
    ),
    Address(
        "access_review_decide",
        "/reviews/access/{access_review}/decide/keep/",
        (404, 404, 200, 403, 403),
        (404, 404, 422, 403, 403),
    ),
    Address("access_review_commit", "/reviews/access/{access_review}/commit/", REVIEWERS, (404, 404, 422, 422, 422)),
    Address("access_review_export", "/reviews/access/{access_review}/export/", REVIEWERS),
    Address(
        "access_review_cancel",
        "/reviews/access/{access_review}/cancel/",
        (404, 404, 403, 200, 200),
        (404, 404, 403, 422, 422),
    ),
    Address("access_exceptions", "/reviews/taken-away/", READERS, csv=True),
    Address(
        "access_exception_lift",
        "/reviews/taken-away/{taken_away}/lift/",
        (404, 404, 404, 403, 200),
        (404, 404, 404, 403, 422),
    ),
    # Users, groups, applications
    Address("users", "/users/", READERS, csv=True),
    *(Address("user", f"/users/{{alice}}/?tab={tab}", OWN, csv=True) for tab in ("sessions", "logins", "activity")),
    Address("user", "/users/{alice}/?tab=rights", OWN),
    Address("user", "/users/{somebody}/", THEIRS, csv=True),
    *configured("user", "users", "{alice}", (403, 404, 404, 403, 200))[:2],
    Address("user_password", "/users/{alice}/password/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 422)),
    Address("user_sso", "/users/{alice}/sso/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 422)),
    Address("user_factors", "/users/{alice}/factors/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 302)),
    Address("factors_reset", "/users/{alice}/factors/reset/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 302)),
    Address("user_login_rule", "/users/{alice}/login-rule/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 302)),
    Address("account_lock", "/users/{alice}/lock/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 422)),
    Address("account_unlock", "/users/{alice}/unlock/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 422)),
    Address("account_cut", "/users/{alice}/cut/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 200)),
    Address("user_logout", "/users/{alice}/logout/", (403, 404, 404, 403, 200), (403, 404, 404, 403, 302)),
    Address("groups", "/groups/", READERS, csv=True),
    Address("group_logout", "/groups/{group}/logout/", (404, 404, 404, 403, 200), (404, 404, 404, 403, 302)),
    *(
        Address("group", f"/groups/{{group}}/?tab={tab}", THEIRS, csv=True)
        for tab in ("sessions", "logins", "activity", "members")
    ),
    *configured("group", "groups", "{group}", (404, 404, 404, 403, 200))[:2],
    Address("group_login_rule", "/groups/{group}/login-rule/", (404, 404, 404, 403, 200), (404, 404, 404, 403, 302)),
    Address("group_delete", "/groups/{group}/delete/", (404, 404, 404, 403, 200), (404, 404, 404, 403, 302)),
    Address("applications", "/applications/", READERS, csv=True),
    *configured("application", "applications", "{application}", (404, 404, 404, 403, 200))[:1],
    Address(
        "application_change",
        "/applications/{application}/change/",
        (404, 404, 404, 403, 200),
        (404, 404, 404, 403, 302),
    ),
    *(
        Address("application", f"/applications/{{application}}/?tab={tab}", THEIRS, csv=True)
        for tab in ("sessions", "logins", "activity")
    ),
    # The activity log
    Address("activity_log", "/activity/", ALL, csv=True),
    Address("session_names", "/sessions/names/host/", ALL),
    Address("activity_entry", "/activity/{entry}/", OWN),
    Address("export_manifest", "/activity/{export}/manifest/", OWN),
    Address("activity_summary", "/activity/summary/", ALL),
    Address("activity_chart", "/activity/chart/", ALL),
    Address("activity_users", "/activity/users/", READERS),
    # Reports
    Address("reports", "/reports/", READERS),
    *(Address("report", f"/reports/{slug}/", READERS, csv=True) for slug in REPORTS),
    Address("report", "/reports/nothing/", (403, 403, 403, 404, 404)),
    Address("save_density", "/activity/density/", NOT_ALLOWED, TO_PAGE, send={"density": "compact"}),
    Address("save_columns", "/activity/columns/sessions/", NOT_ALLOWED, TO_PAGE),
    Address("save_downloads", "/activity/downloads/", NOT_ALLOWED, TO_PAGE),
    Address("saved_views", "/views/", ALL),
    Address("saved_view_save", "/views/save/", NOT_ALLOWED, (422,) * 5),
    Address("saved_view", "/views/{view}/", TO_PAGE),  # alice's, from when she was an auditor
    Address("saved_view_change", "/views/{view}/change/", (200, 403, 403, 403, 403), (422, 403, 403, 403, 403)),
    Address("saved_view_mark", "/views/{view}/mark/", NOT_ALLOWED, TO_PAGE, send={"mark": "favourite"}),
    Address("saved_view", "/views/{private_view}/", (302, 404, 404, 404, 404)),
    Address("saved_view_change", "/views/{private_view}/change/", ALICE_ONLY, (422, 404, 404, 404, 404)),
    Address("saved_view_mark", "/views/{private_view}/mark/", NOT_ALLOWED, (302, *(404,) * 4), send={"mark": "up"}),
    Address("saved_view_delete", "/views/{private_view}/delete/", ALICE_ONLY, (302, 404, 404, 404, 404)),
    Address("saved_view_delete", "/views/{view}/delete/", (200, 403, 403, 403, 200), (302, 403, 403, 403, 302)),
    Address("duration_echo", "/durations/?maximum_duration=1h", ALL),
    Address("health", "/health/", ADMIN_ONLY),
    Address("health_hosts", "/health/hosts/", NOT_ALLOWED, ADMIN_ONLY),
    Address("help", "/help/", ALL),
    Address("help_document", "/help/gateway/", ALL),
    Address("help_image", "/help/images/session.png", ALL),
    # Logging out comes last: it ends what the test is logged in with.
    Address("login_not_me", "/logins/{login}/not-me/", ALICE_ONLY, ALICE_ONLY),
    Address("logout", "/accounts/logout/", NOT_ALLOWED, TO_PAGE),
    Address("healthz", "/healthz", ALL, is_open=True),
]
SIGNED = {"sso_back_channel", "sso_saml_acs"}  # no form of a page: what is sent is signed
# Not ours to walk: the administration has its own walk below.
NAMESPACES_APART = {"admin"}


@dataclasses.dataclass
class Scene:
    """alice's things, the ids that stand in paths, and who is logged in how."""

    ids: dict[str, int]
    clients: dict[str, Client]

    def fill(self, text: str) -> str:
        return text.format(**self.ids)

    def sent(self, address: Address) -> dict[str, str]:
        """Return the fields of the address's form."""
        return {key: self.fill(value) for key, value in address.send.items()}


@pytest.fixture
def scene(alice: User, outsider: User, approver: User, auditor: User, admin: User, as_user: AsUser) -> Scene:
    group = Group.objects.create(name="Linux team")
    profile = builders.make_profile("Approved", tiers=[[approver]], extension_limit=2)
    policy = builders.make_policy("Linux work", users=[alice], profile=profile)
    hidden = builders.make_policy(
        "Hidden",
        activities=[builders.make_activity("Hidden work")],
        resources=[builders.make_resource("hidden-1")],
    )
    available = builders.make_session(alice, Status.AVAILABLE, profile=profile, policy=policy)
    waiting = builders.make_session(
        alice, Status.WAITING, profile=profile, policy=policy, resource=builders.make_resource("web-2")
    )
    policy.resources.add(waiting.resource)
    secret = make_secret()
    service_key = ServiceKey.objects.create(name="Fleet", fingerprint="SHA256:x", private_key="sealed")
    builders.make_resource("keyed-1", service_key=service_key)
    locked = builders.make_user("locked")
    clients = {user.username: as_user(user) for user in (alice, outsider, approver, auditor, admin, locked)}
    lock_account(admin, locked, title="Under review")
    login = builders.make_login(alice)
    NewDeviceNotice.objects.create(login=login, user=alice, is_shown=True)
    export = make_scheduled_export(auditor)
    entry, log_review = log.record(Verb.LOGIN, "alice came", actor=alice), make_log_review(auditor)
    exception = ReviewException.objects.create(
        review=log_review,
        entry_id=entry.pk,
        entry_at=entry.at,
        entry_message=entry.message,
        note="Why?",
        asked=alice,
        added_by=auditor,
    )
    taken: dict[str, Any] = {"user": outsider, "activity": waiting.activity, "resource": waiting.resource}
    ids: dict[str, Any] = {
        "alice": alice.pk,
        "view": SavedView.objects.create(name="Shared", path="/logins/", owner=alice, is_shared=True).pk,
        "private_view": SavedView.objects.create(name="Mine", path="/logins/", owner=alice).pk,
        "somebody": builders.make_user("somebody").pk,
        "group": group.pk,
        "application": builders.make_application().pk,
        "available": available.pk,
        "waiting": waiting.pk,
        "ended": builders.make_session(alice, Status.COMPLETE, profile=profile, policy=policy).pk,
        "vault": builders.make_session(alice, Status.AVAILABLE, resource=secret.resource).pk,
        "secret": secret.pk,
        "service_key": service_key.pk,
        "login": login.pk,
        "device": Device.objects.create(user=alice, secret_hash="x").pk,
        "signed": signing.dumps(login.pk, salt=SALT),
        "scim_token": ScimToken.objects.create(name="Directory", token_hash="x", created_by=admin).pk,
        "destination": make_destination(port=9).pk,
        "checkpoint": Checkpoint.objects.create(size=7, root=b"x", note="x", key="x", timestamp=b"x").size,
        "schedule": export.schedule.pk,
        "schedule_token": export.token,
        "log_review": log_review.pk,
        "exception": exception.pk,
        "access_review": make_access_review(approver).pk,
        "taken_away": AccessException.objects.create(**taken, review_name="Spring", reason="left", made_by=auditor).pk,
        "recording": make_recording(available).pk,
        "typed": make_recording(available, typed="hunter2").pk,
        "running": make_running(available).pk,
        "key": builders.make_key(alice).pk,
        "identity": Identity.objects.create(user=alice, issuer="https://id.example.com", subject="1").pk,
        "factor": give_key(alice).row.pk,
        "entry": log.record(Verb.LOGIN, "alice was here", actor=alice).pk,
        "export": log.record(Verb.EXPORTED, "It left", actor=alice, details={"file": "x.csv", "manifest": "x"}).pk,
        "resource": waiting.resource_id,
        "activity": waiting.activity_id,
        "profile": profile.pk,
        "policy": policy.pk,
        "hidden_resource": hidden.resources.get().pk,
        "hidden_activity": hidden.activities.get().pk,
        "hidden_profile": hidden.profile_id,
    }
    return Scene(ids, clients)


def everything() -> dict[str, list[Any]]:
    """Return all data that a refused request must not change."""
    models = (
        PrivilegedSession,
        AccountLock,
        ResourceLock,
        Approval,
        ControlRequest,
        AccessPolicy,
        Group,
        UserKey,
        Identity,
        LogReview,
        ReviewException,
        AccessReview,
        AccessReviewItem,
        AccessException,
    )
    state: dict[str, list[Any]] = {}
    for model in models:
        rows = model.objects.order_by("pk").values()
        state[model.__name__] = list(rows)
    # What a request notes of its own browser (when, from where, with what) is no change of somebody's.
    state["LoginSession"] = list(LoginSession.objects.order_by("pk").values("pk", "user", "ended_at", "end_reason"))
    users = User.objects.order_by("pk").values("pk", "username", "password", "is_active", "is_staff", "is_superuser")
    state["User"] = list(users)
    return state


def is_at_login(response: ClientResponse) -> bool:
    """Return whether the answer leads to the login page, by a redirect or by HTMX's header."""
    there = response.get("Location", "") or response.get("HX-Redirect", "")
    return response.status_code in (200, 302) and there.split("?")[0] == "/accounts/login/"


def names(resolver: URLResolver, namespace: str = "") -> Iterator[str]:
    """Yield the names of all addresses, except in namespaces that are tested separately."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace not in NAMESPACES_APART:
                yield from names(pattern, pattern.namespace or namespace)
        elif isinstance(pattern, URLPattern):
            assert pattern.name, f"{pattern.pattern} has no name"
            yield pattern.name


def test_every_address_has_its_expectation_here() -> None:
    assert set(names(get_resolver())) == {address.name for address in ADDRESSES}


@pytest.mark.parametrize("role", ["stranger", "locked"])
def test_strangers_and_locked_accounts_find_only_the_login_page(scene: Scene, role: str) -> None:
    client = Client() if role == "stranger" else scene.clients["locked"]
    before, wrong = everything(), []
    for address in ADDRESSES:
        if address.is_open:
            continue
        path, sent = scene.fill(address.path), scene.sent(address)
        answers = {
            "GET": client.get(path),
            "HTMX": client.get(path, headers={"HX-Request": "true"}),
            "csv": client.get(path, {"csv": "1"}),
            "POST": client.post(path, sent),
            "HTMX POST": client.post(path, sent, headers={"HX-Request": "true"}),
            "PUT": client.put(path),
            "DELETE": client.delete(path),
        }
        wrong += [f"{method} {address}" for method, answer in answers.items() if not is_at_login(answer)]
    assert wrong == []
    assert everything() == before


# What a login that must set up a second factor reaches, besides what is open to strangers.
TO_ENROL = {"factors", "factor_app_add", "factor_key_add", "factor_key_options", "confirm", "sso_confirm", "logout"}


def is_at_enrolment(response: ClientResponse) -> bool:
    """Return whether the answer leads to the page of second factors, by a redirect or by HTMX's header."""
    there = response.get("Location", "") or response.get("HX-Redirect", "")
    return response.status_code in (200, 302) and there == "/accounts/2fa/"


@pytest.mark.parametrize("role", ["alice", "admin"])
def test_who_must_enrol_reaches_nothing_else(scene: Scene, role: str) -> None:
    LoginSession.objects.live().update(must_enrol=True)
    client = scene.clients[role]
    before, wrong = everything(), []
    administration = [("administration", path) for path in admin_addresses(scene)]
    walked = [(str(one), scene.fill(one.path), scene.sent(one)) for one in ADDRESSES if not is_for_enrolling(one)]
    for name, path, sent in [*walked, *((name, path, {}) for name, path in administration)]:
        answers = {
            "GET": client.get(path),
            "HTMX": client.get(path, headers={"HX-Request": "true"}),
            "csv": client.get(path, {"csv": "1"}),
            "POST": client.post(path, sent),
            "HTMX POST": client.post(path, sent, headers={"HX-Request": "true"}),
            "PUT": client.put(path),
            "DELETE": client.delete(path),
        }
        wrong += [f"{method} {name} {path}" for method, answer in answers.items() if not is_at_enrolment(answer)]
        asked = client.post(path, sent, headers={"Accept": "application/json"})
        wrong += [f"JSON {name} {path}"] if asked.status_code != 403 else []
    assert wrong == []
    assert everything() == before


def admin_addresses(scene: Scene) -> list[str]:
    """Return addresses of every kind in the administration."""
    paths = ["/admin/", "/admin/jsi18n/", "/admin/autocomplete/", "/admin/r/1/1/"]
    for model in django_admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        pk = model._default_manager.values_list("pk", flat=True).first() or 1
        paths += [base, f"{base}add/", *(f"{base}{pk}/{page}/" for page in ("change", "delete", "history"))]
    paths.append(f"/admin/auth/user/{scene.ids['alice']}/password/")
    return paths


def is_for_enrolling(address: Address) -> bool:
    return address.is_open or address.name in TO_ENROL


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_what_it_may_by_reading(scene: Scene, role: str) -> None:
    before, wrong = everything(), []
    client = scene.clients[role]
    for address in ADDRESSES:
        path, expected = scene.fill(address.path), address.get[ROLES.index(role)]
        download = client.get(f"{path}{'&' if '?' in path else '?'}csv=1")
        page = client.get(path)
        htmx = client.get(path, headers={"HX-Request": "true"})
        if not page.streaming and b"[invalid name]" in page.content:
            wrong.append(f"{address} has a filter without a name")
        found = {
            "GET": page.status_code,
            "HTMX": htmx.status_code,
            "csv": download.status_code,
        }
        # A page that is no list may ignore the parameter or refuse it, but it never downloads anything.
        is_refused = not address.csv and download.status_code == 400
        wrong += [
            f"{role} {method} {address}: {code}, expected {expected}"
            for method, code in found.items()
            if code != expected and not (method == "csv" and is_refused)
        ]
        is_file = download.get("Content-Type", "").startswith("text/csv")
        if is_file != (address.csv and expected == 200):
            wrong.append(f"{role} csv {address}: {download.get('Content-Type')}")
        if is_file:
            streamed(download)  # the download is logged at its end
        for answer in (download, page, htmx):
            if answer.streaming and not is_file:
                streamed(answer)  # a recording that nobody reads takes one of few places
    assert wrong == []
    assert everything() == before


@pytest.mark.parametrize("role", ROLES)
def test_each_role_changes_only_what_it_may(scene: Scene, role: str) -> None:
    before, wrong = everything(), []
    client = scene.clients[role]
    for address in ADDRESSES:
        path, sent, expected = scene.fill(address.path), scene.sent(address), address.post[ROLES.index(role)]
        start = transaction.savepoint()
        answer = client.post(path.split("?")[0] if sent else path, sent)
        if answer.status_code != expected:
            wrong.append(f"{role} POST {address}: {answer.status_code}, expected {expected}")
        if expected >= 400 and everything() != before:
            wrong.append(f"{role} POST {address} changed something")
        transaction.savepoint_rollback(start)
    assert wrong == []
    assert everything() == before


def test_no_other_method_is_known(scene: Scene) -> None:
    before, wrong = everything(), []
    for address in ADDRESSES:
        path = scene.fill(address.path)
        for role in ("alice", "admin"):
            client = scene.clients[role]
            found = (client.put(path), client.delete(path), client.patch(path))
            codes = [answer.status_code for answer in found]
            others = 401 if address.get == NO_TOKEN else 405
            if codes != [address.put, others, others]:
                wrong.append(f"{role} {address}: {codes}")
    assert wrong == []
    assert everything() == before


def test_without_its_token_no_form_is_accepted(scene: Scene, admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    before = everything()
    for address in ADDRESSES:
        if address.post not in (NOT_ALLOWED, NO_TOKEN) and address.name not in SIGNED:
            assert client.post(scene.fill(address.path), scene.sent(address)).status_code == 403, address.path
    assert everything() == before


@pytest.mark.parametrize("role", ["alice", "outsider", "approver", "auditor", "stranger", "locked"])
def test_the_administration_is_for_administrators(scene: Scene, role: str) -> None:
    client = Client() if role == "stranger" else scene.clients[role]
    paths = admin_addresses(scene)
    before = everything()
    for path in paths:
        for answer in (client.get(path), client.post(path, {"username": "x"}), client.get(path, {"csv": "1"})):
            assert answer.status_code == 403 or answer.status_code == 302, path
            if answer.status_code == 302:
                assert "/accounts/login/" in answer["Location"] or "/admin/login/" in answer["Location"], path
    assert everything() == before


def test_an_administrator_finds_every_model_of_the_administration(scene: Scene) -> None:
    client = scene.clients["admin"]
    assert client.get("/admin/").status_code == 200
    assert len(django_admin.site._registry) >= 6
    for model in django_admin.site._registry:
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert client.get(path).status_code == 200, path


def test_ids_that_no_database_holds_are_not_found(scene: Scene) -> None:
    client = scene.clients["admin"]
    largest = 2**63
    for path in ("users", "groups", "applications", "resources", "activities", "profiles", "policies", "sessions"):
        for number in (0, largest - 1, largest, 10**30):
            assert client.get(f"/{path}/{number}/").status_code == 404, f"{path} {number}"
        assert client.get(f"/{path}/x/").status_code == 404, path
        assert client.get(f"/{path}/-1/").status_code == 404, path


def test_a_tier_that_is_not_asked_yet_sees_nothing(scene: Scene, alice: User, as_user: AsUser, approver: User) -> None:
    later = builders.make_user("later")
    profile = builders.make_profile("Two tiers", tiers=[[approver], [later]])
    session = builders.make_session(alice, Status.WAITING, profile=profile, current_tier=1)
    client = as_user(later)
    assert client.get(f"/sessions/{session.pk}/").status_code == 404
    session.current_tier = 2
    session.save(update_fields=["current_tier"])
    assert client.get(f"/sessions/{session.pk}/").status_code == 200
    assert scene.clients["approver"].get(f"/sessions/{session.pk}/").status_code == 404
