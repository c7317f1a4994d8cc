"""Addresses of the documents."""

from django.urls import path

from sessions_app.help import views

urlpatterns = [
    path("help/", views.index, name="help"),
    path("help/images/<str:name>", views.image, name="help_image"),
    path("help/<path:name>/", views.document, name="help_document"),
]
