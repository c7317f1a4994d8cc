"""Addresses of the evidence."""

from django.urls import path

from sessions_app.evidence import views

urlpatterns = [
    path("evidence/", views.evidence, name="evidence"),
    path("evidence/verify_sessionadmin.py", views.verifier, name="evidence_verifier"),
]
