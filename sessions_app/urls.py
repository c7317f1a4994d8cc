"""Every address of the console. A name leads to its view, the view to the flow that does the thing."""

from django.urls import path

from sessions_app.gateway import views as connect
from sessions_app.gateway.recordings import views as recordings
from sessions_app.hosts import key_views, ssh_login_views
from sessions_app.logins import account_views
from sessions_app.logins import views as logins
from sessions_app.pages import account, account_control, health, home
from sessions_app.pages.catalogue import host_views, views
from sessions_app.pages.people import views as people
from sessions_app.pages.sessions import views as sessions
from sessions_app.privileged import action_views, request_views
from sessions_app.vault import views as secret

urlpatterns = [
    path("", home.home, name="home"),
    path("alive/", home.alive, name="alive"),
    # For administrators (pages/health.py)
    path("health/", health.health, name="health"),
    path("health/hosts/", health.health_hosts, name="health_hosts"),
    # People at the door (logins/account_views.py)
    path("accounts/login/", account_views.Login.as_view(), name="login"),
    path("accounts/logout/", account_views.Logout.as_view(), name="logout"),
    path("accounts/password/", account_views.PasswordChange.as_view(), name="password_change"),
    path("accounts/me/", account.account, name="account"),
    path("accounts/keys/add/", key_views.ssh_key_add, name="ssh_key_add"),
    path("accounts/keys/<int:pk>/remove/", key_views.ssh_key_remove, name="ssh_key_remove"),
    # Login sessions (logins/views.py)
    path("logins/", logins.logins, name="logins"),
    path("logins/map/", logins.logins_map, name="logins_map"),
    path("logins/logout/", logins.logins_logout, name="logins_logout"),
    path("logins/logout-others/", logins.logins_logout_others, name="logins_logout_others"),
    # Privileged sessions (pages/sessions/views.py)
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/<int:pk>/", sessions.session, name="session"),
    path("sessions/<int:pk>/log/", sessions.session_log, name="session_log"),
    path("sessions/<int:pk>/certificate/", key_views.session_certificate, name="session_certificate"),
    # Recordings of terminals, see gateway/recordings/views.py
    path("recordings/", recordings.recordings, name="recordings"),
    path("recordings/<int:pk>/", recordings.recording, name="recording"),
    path("recordings/<int:pk>/cast/", recordings.recording_cast, name="recording_cast"),
    path("recordings/<int:pk>/typed/", recordings.recording_typed, name="recording_typed"),
    path("recordings/<int:pk>/live/", recordings.recording_live, name="recording_live"),
    path("recordings/<int:pk>/pieces/", recordings.recording_pieces, name="recording_pieces"),
    path("sessions/ssh/", ssh_login_views.ssh_login, name="ssh_login"),
    # Through the gateway (gateway/views.py)
    path("sessions/<int:pk>/terminal/", connect.terminal, name="session_terminal"),
    path("sessions/<int:pk>/ticket/", connect.session_ticket, name="session_ticket"),
    path("sessions/<int:pk>/password/", connect.session_password, name="session_password"),
    # Secrets of a vault (vault/views.py)
    path("sessions/<int:pk>/secrets/<int:secret_pk>/show/", secret.secret_show, name="secret_show"),
    path("sessions/<int:pk>/secrets/<int:secret_pk>/copied/", secret.secret_copied, name="secret_copied"),
    path("sessions/request/", request_views.session_request, name="session_request"),
    path("sessions/do/<slug:verb>/", action_views.session_action, name="session_action"),
    # What may be requested, read-only (pages/catalogue/views.py); managed in the admin
    path("resources/", views.resources, name="resources"),
    path("resources/<int:pk>/", views.resource, name="resource"),
    path("resources/<int:pk>/lock/", account_control.resource_lock, name="resource_lock"),
    path("resources/<int:pk>/unlock/", account_control.resource_unlock, name="resource_unlock"),
    path("resources/<int:pk>/check/", host_views.host_check, name="host_check"),
    path("resources/<int:pk>/host-key/", host_views.host_key_confirm, name="host_key_confirm"),
    path("activities/", views.activity_kinds, name="activity_kinds"),
    path("activities/<int:pk>/", views.activity_kind, name="activity_kind"),
    path("profiles/", views.profiles, name="profiles"),
    path("profiles/<int:pk>/", views.profile, name="profile"),
    path("policies/", views.policies, name="policies"),
    path("policies/<int:pk>/", views.policy, name="policy"),
    # Users, groups and applications, each with a page: see pages/people/views.py
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
