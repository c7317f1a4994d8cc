"""Addresses of users, groups and applications."""

from django.urls import path

from sessions_app.pages.people import views
from sessions_app.pages.people.configuration import APPLICATIONS, GROUPS, USERS, user_password
from sessions_app.pages.people.factors import factors_reset, user_factors
from sessions_app.pages.people.login_rules import LOGIN_RULES
from sessions_app.pages.people.single_sign_on import user_sso

urlpatterns = [
    path("users/", views.users, name="users"),
    path("users/<int:pk>/", views.user, name="user"),
    path("users/<int:pk>/password/", user_password, name="user_password"),
    path("users/<int:pk>/factors/", user_factors, name="user_factors"),
    path("users/<int:pk>/factors/reset/", factors_reset, name="factors_reset"),
    path("users/<int:pk>/sso/", user_sso, name="user_sso"),
    *LOGIN_RULES.urls(),
    *USERS.urls("users"),
    path("groups/", views.groups, name="groups"),
    path("groups/<int:pk>/", views.group, name="group"),
    *GROUPS.urls("groups"),
    path("applications/", views.applications, name="applications"),
    path("applications/<int:pk>/", views.application, name="application"),
    *APPLICATIONS.urls("applications"),
]
