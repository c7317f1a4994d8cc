"""Every address of the console. A name leads to its view, the view to the flow that does the thing."""

from django.urls import path

from sessions_app.views import home
from sessions_app.views._soon import soon

urlpatterns = [
    path("", home.home, name="home"),
    path("alive/", home.alive, name="alive"),
    # People at the door (views/accounts.py)
    path("accounts/login/", soon, name="login"),
    path("accounts/logout/", soon, name="logout"),
    path("accounts/password/", soon, name="password_change"),
    path("accounts/me/", soon, name="account"),
    # Login sessions (views/logins.py)
    path("logins/", soon, name="logins"),
    path("logins/map/", soon, name="logins_map"),
    path("logins/logout/", soon, name="logins_logout"),
    path("logins/logout-others/", soon, name="logins_logout_others"),
    # Privileged sessions (views/sessions.py)
    path("sessions/", soon, name="sessions"),
    path("sessions/<int:pk>/", soon, name="session"),
    path("sessions/<int:pk>/log/", soon, name="session_log"),
    path("sessions/request/", soon, name="session_request"),
    path("sessions/do/<slug:verb>/", soon, name="session_action"),
    # What may be requested, read-only (views/catalogue.py); managed in the admin
    path("resources/", soon, name="resources"),
    path("resources/<int:pk>/", soon, name="resource"),
    path("resources/<int:pk>/unlock/", soon, name="resource_unlock"),
    path("activities/", soon, name="activity_kinds"),
    path("activities/<int:pk>/", soon, name="activity_kind"),
    path("profiles/", soon, name="profiles"),
    path("profiles/<int:pk>/", soon, name="profile"),
    path("policies/", soon, name="policies"),
    path("policies/<int:pk>/", soon, name="policy"),
    # Users, groups, applications (views/people.py)
    path("users/", soon, name="users"),
    path("users/<int:pk>/", soon, name="user"),
    path("users/<int:pk>/lock/", soon, name="account_lock"),
    path("users/<int:pk>/unlock/", soon, name="account_unlock"),
    path("users/<int:pk>/cut/", soon, name="account_cut"),
    path("groups/", soon, name="groups"),
    path("groups/<int:pk>/", soon, name="group"),
    path("applications/", soon, name="applications"),
    path("applications/<int:pk>/", soon, name="application"),
]
