"""Addresses of the evidence."""

from django.urls import path

from sessions_app.evidence import views

urlpatterns = [
    path("evidence/", views.evidence, name="evidence"),
    path("evidence/checkpoint-<int:size>.txt", views.checkpoint, name="evidence_checkpoint"),
    path("evidence/checkpoint-<int:size>.tsr", views.timestamp, name="evidence_timestamp"),
    path("evidence/verify_sessionadmin.py", views.verifier, name="evidence_verifier"),
]
