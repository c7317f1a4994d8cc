"""The addresses of saved views."""

from django.urls import path

from activity.saved_views import views

urlpatterns = [
    path("", views.saved_views, name="saved_views"),
    path("save/", views.save_view, name="saved_view_save"),
    path("<int:pk>/", views.open_view, name="saved_view"),
    path("<int:pk>/change/", views.edit_view, name="saved_view_change"),
    path("<int:pk>/delete/", views.delete_view, name="saved_view_delete"),
    path("<int:pk>/mark/", views.mark_view, name="saved_view_mark"),
]
