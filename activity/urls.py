"""The addresses of the activity log."""

from django.urls import path

from activity import entry_views, figure_views, views

urlpatterns = [
    path("", views.activity_log, name="activity_log"),
    path("<int:pk>/", entry_views.activity_entry, name="activity_entry"),
    path("<int:pk>/manifest/", entry_views.export_manifest, name="export_manifest"),
    path("summary/", figure_views.activity_summary, name="activity_summary"),
    path("chart/", figure_views.activity_chart, name="activity_chart"),
    path("users/", views.activity_users, name="activity_users"),
    path("downloads/", views.save_downloads, name="save_downloads"),
    path("density/", views.save_density, name="save_density"),
    path("columns/<slug:table>/", views.save_columns, name="save_columns"),
]
