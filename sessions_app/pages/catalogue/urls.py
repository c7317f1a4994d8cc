"""Addresses of resources, activities, connection profiles and access policies, their pages and forms."""

from django.urls import path

from sessions_app.pages.catalogue import bulk_views, host_views, views
from sessions_app.pages.catalogue.configuration import ACTIVITIES, POLICIES, PROFILES, RESOURCES

urlpatterns = [
    path("resources/", views.resources, name="resources"),
    path("resources/<int:pk>/", views.resource, name="resource"),
    path("resources/<int:pk>/check/", host_views.host_check, name="host_check"),
    path("resources/<int:pk>/host-key/", host_views.host_key_confirm, name="host_key_confirm"),
    path("resources/add-many/", bulk_views.resources_add_many, name="resources_add_many"),
    *RESOURCES.urls("resources"),
    path("activities/", views.activity_kinds, name="activity_kinds"),
    path("activities/<int:pk>/", views.activity_kind, name="activity_kind"),
    *ACTIVITIES.urls("activities"),
    path("activities/login-account/", views.login_account_echo, name="login_account_echo"),
    path("profiles/", views.profiles, name="profiles"),
    path("profiles/<int:pk>/", views.profile, name="profile"),
    *PROFILES.urls("profiles"),
    path("policies/", views.policies, name="policies"),
    path("policies/<int:pk>/", views.policy, name="policy"),
    *POLICIES.urls("policies"),
]
