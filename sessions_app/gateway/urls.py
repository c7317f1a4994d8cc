"""The addresses of the ways to connect through the gateway."""

from django.urls import path

from sessions_app.gateway import views

urlpatterns = [
    path("sessions/<int:pk>/terminal/", views.terminal, name="session_terminal"),
    path("sessions/<int:pk>/ticket/", views.session_ticket, name="session_ticket"),
    path("sessions/<int:pk>/password/", views.session_password, name="session_password"),
]
