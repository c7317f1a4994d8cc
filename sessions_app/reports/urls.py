"""Addresses of the reports."""

from django.urls import path

from sessions_app.reports import views

urlpatterns = [
    path("reports/", views.reports, name="reports"),
    path("reports/<slug:slug>/", views.report, name="report"),
]
