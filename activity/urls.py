"""Addresses of the activity floor."""

from django.urls import path

from activity import views

urlpatterns = [
    path("", views.save_columns, name="activity_log"),
    path("columns/<slug:table>/", views.save_columns, name="save_columns"),
]
