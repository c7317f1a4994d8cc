"""Addresses of scheduled exports."""

from django.urls import path

from sessions_app.schedules import views

urlpatterns = [
    path("schedules/", views.schedules, name="schedules"),
    path("schedules/add/", views.schedule_add, name="schedule_add"),
    path("schedules/<int:pk>/", views.schedule, name="schedule"),
    path("schedules/<int:pk>/change/", views.schedule_change, name="schedule_change"),
    path("schedules/<int:pk>/pause/", views.schedule_pause, name="schedule_pause"),
    path("schedules/<int:pk>/run/", views.schedule_run, name="schedule_run"),
    path("schedules/<int:pk>/delete/", views.schedule_delete, name="schedule_delete"),
    path("schedules/files/<slug:token>/", views.schedule_file, name="schedule_file"),
]
