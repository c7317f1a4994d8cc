"""Addresses of users, groups and applications."""

from django.urls import path

from sessions_app.pages.people import views

urlpatterns = [
    path("users/", views.users, name="users"),
    path("users/<int:pk>/", views.user, name="user"),
    path("groups/", views.groups, name="groups"),
    path("groups/<int:pk>/", views.group, name="group"),
    path("applications/", views.applications, name="applications"),
    path("applications/<int:pk>/", views.application, name="application"),
]
