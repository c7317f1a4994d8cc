"""Addresses of the page of one login session."""

from django.urls import path

from sessions_app.pages.logins import views

urlpatterns = [
    path("logins/<int:pk>/", views.login_detail, name="login_detail"),
]
