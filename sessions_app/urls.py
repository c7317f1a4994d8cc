"""Every address of the console. A name leads to its view, the view to the flow that does the thing."""

from django.urls import path

from sessions_app.views import (
    account_control,
    accounts,
    catalogue,
    connect,
    health,
    home,
    host,
    keys,
    logins,
    people,
    recordings,
    request,
    secret,
    session_actions,
    sessions,
    ssh_login,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("alive/", home.alive, name="alive"),
    # For administrators (views/health.py)
    path("health/", health.health, name="health"),
    path("health/hosts/", health.health_hosts, name="health_hosts"),
    # People at the door (views/accounts.py)
    path("accounts/login/", accounts.Login.as_view(), name="login"),
    path("accounts/logout/", accounts.Logout.as_view(), name="logout"),
    path("accounts/password/", accounts.PasswordChange.as_view(), name="password_change"),
    path("accounts/me/", accounts.account, name="account"),
    path("accounts/keys/add/", keys.ssh_key_add, name="ssh_key_add"),
    path("accounts/keys/<int:pk>/remove/", keys.ssh_key_remove, name="ssh_key_remove"),
    # Login sessions (views/logins.py)
    path("logins/", logins.logins, name="logins"),
    path("logins/map/", logins.logins_map, name="logins_map"),
    path("logins/logout/", logins.logins_logout, name="logins_logout"),
    path("logins/logout-others/", logins.logins_logout_others, name="logins_logout_others"),
    # Privileged sessions (views/sessions.py)
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/<int:pk>/", sessions.session, name="session"),
    path("sessions/<int:pk>/log/", sessions.session_log, name="session_log"),
    path("sessions/<int:pk>/certificate/", keys.session_certificate, name="session_certificate"),
    # Recordings of terminals, see views/recordings.py
    path("recordings/", recordings.recordings, name="recordings"),
    path("recordings/<int:pk>/", recordings.recording, name="recording"),
    path("recordings/<int:pk>/cast/", recordings.recording_cast, name="recording_cast"),
    path("recordings/<int:pk>/typed/", recordings.recording_typed, name="recording_typed"),
    path("recordings/<int:pk>/live/", recordings.recording_live, name="recording_live"),
    path("recordings/<int:pk>/pieces/", recordings.recording_pieces, name="recording_pieces"),
    path("sessions/ssh/", ssh_login.ssh_login, name="ssh_login"),
    # Through the gateway (views/connect.py)
    path("sessions/<int:pk>/terminal/", connect.terminal, name="session_terminal"),
    path("sessions/<int:pk>/ticket/", connect.session_ticket, name="session_ticket"),
    path("sessions/<int:pk>/password/", connect.session_password, name="session_password"),
    # Secrets of a vault (views/secret.py)
    path("sessions/<int:pk>/secrets/<int:secret_pk>/show/", secret.secret_show, name="secret_show"),
    path("sessions/<int:pk>/secrets/<int:secret_pk>/copied/", secret.secret_copied, name="secret_copied"),
    path("sessions/request/", request.session_request, name="session_request"),
    path("sessions/do/<slug:verb>/", session_actions.session_action, name="session_action"),
    # What may be requested, read-only (views/catalogue.py); managed in the admin
    path("resources/", catalogue.resources, name="resources"),
    path("resources/<int:pk>/", catalogue.resource, name="resource"),
    path("resources/<int:pk>/lock/", account_control.resource_lock, name="resource_lock"),
    path("resources/<int:pk>/unlock/", account_control.resource_unlock, name="resource_unlock"),
    path("resources/<int:pk>/check/", host.host_check, name="host_check"),
    path("resources/<int:pk>/host-key/", host.host_key_confirm, name="host_key_confirm"),
    path("activities/", catalogue.activity_kinds, name="activity_kinds"),
    path("activities/<int:pk>/", catalogue.activity_kind, name="activity_kind"),
    path("profiles/", catalogue.profiles, name="profiles"),
    path("profiles/<int:pk>/", catalogue.profile, name="profile"),
    path("policies/", catalogue.policies, name="policies"),
    path("policies/<int:pk>/", catalogue.policy, name="policy"),
    # Users, groups and applications, each with a page: see views/people.py
    path("users/", people.users, name="users"),
    path("users/<int:pk>/", people.user, name="user"),
    path("users/<int:pk>/lock/", account_control.account_lock, name="account_lock"),
    path("users/<int:pk>/unlock/", account_control.account_unlock, name="account_unlock"),
    path("users/<int:pk>/cut/", account_control.account_cut, name="account_cut"),
    path("groups/", people.groups, name="groups"),
    path("groups/<int:pk>/", people.group, name="group"),
    path("applications/", people.applications, name="applications"),
    path("applications/<int:pk>/", people.application, name="application"),
]
