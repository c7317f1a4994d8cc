"""The addresses of recordings: the list, the replay and what it fetches."""

from django.urls import path

from sessions_app.gateway.recordings import views

urlpatterns = [
    path("recordings/", views.recordings, name="recordings"),
    path("recordings/<int:pk>/", views.recording, name="recording"),
    path("recordings/<int:pk>/cast/", views.recording_cast, name="recording_cast"),
    path("recordings/<int:pk>/typed/", views.recording_typed, name="recording_typed"),
    path("recordings/<int:pk>/live/", views.recording_live, name="recording_live"),
    path("recordings/<int:pk>/pieces/", views.recording_pieces, name="recording_pieces"),
]
