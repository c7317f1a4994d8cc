"""Measures what login sessions cost each request: the console's and those of others, beside Django's own sessions."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path

from benchmarks.data import administrator
from benchmarks.installed import PEERS
from benchmarks.timing import Figure, contest

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
USER = "django.contrib.auth.middleware.AuthenticationMiddleware"
DJANGO, OWN = "django.contrib.auth.backends.ModelBackend", "sessions_app.logins.backend.LoginSessionBackend"
STACKS = {  # name: middleware, session engine, backend
    "SessionAdmin": (
        [SESSIONS, "sessions_app.logins.middleware.LoginSessionMiddleware", USER],
        "django.contrib.sessions.backends.db",
        OWN,
    ),
    "plain django sessions": ([SESSIONS, USER], "django.contrib.sessions.backends.db", DJANGO),
    "allauth.usersessions": (
        [SESSIONS, USER, "allauth.usersessions.middleware.UserSessionsMiddleware"],
        "django.contrib.sessions.backends.db",
        DJANGO,
    ),
    "django-user-sessions": (
        ["user_sessions.middleware.SessionMiddleware", USER],
        "user_sessions.backends.db",
        DJANGO,
    ),
}
NEEDS = {"allauth.usersessions": "allauth", "django-user-sessions": "user_sessions"}
EACH = 40  # requests that count as one


def hello(request: HttpRequest) -> HttpResponse:
    """Answer after loading the user, as every page does."""
    return HttpResponse(str(request.user.pk))


urlpatterns = [path("hello/", hello)]


def figures(rounds: int) -> list[Figure]:
    """Measure 40 requests, each of which loads the user. Return milliseconds."""
    there = {name: stack for name, stack in STACKS.items() if PEERS.get(NEEDS.get(name, ""), True)}
    return contest(f"login middleware, {EACH} requests", {name: _asks(*stack) for name, stack in there.items()}, rounds)


def _asks(middleware: list[str], engine: str, backend: str) -> Callable[[], Any]:
    with override_settings(MIDDLEWARE=middleware, SESSION_ENGINE=engine, ROOT_URLCONF=__name__):
        handler = BaseHandler()
        handler.load_middleware()
        cookie = _login(engine, backend)

    def ask() -> Any:
        with override_settings(ROOT_URLCONF=__name__, SESSION_ENGINE=engine):  # one of them reads it at each request
            for _ in range(EACH):
                request = RequestFactory(HTTP_COOKIE=cookie, HTTP_USER_AGENT="bench").get("/hello/")
                answer = handler.get_response(request)
        return answer

    if ask().content != str(administrator().pk).encode():
        raise RuntimeError(f"{middleware} did not know who was logged in")
    return ask


def _login(engine: str, backend: str) -> str:
    """Return the cookie of a new session."""
    request = RequestFactory(HTTP_USER_AGENT="bench").get("/")
    store = import_module(engine).SessionStore
    request.session = store(user_agent="bench", ip="192.0.2.1") if engine.startswith("user_") else store()
    login(request, administrator(), backend=backend)
    request.session.save()
    return f"{settings.SESSION_COOKIE_NAME}={request.session.session_key}"
