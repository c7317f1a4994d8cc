"""System checks for the settings that login sessions need."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

MIDDLEWARE = "sessions_app.logins.middleware.LoginSessionMiddleware"
BEFORE = "django.contrib.sessions.middleware.SessionMiddleware"
AFTER = "django.contrib.auth.middleware.AuthenticationMiddleware"
BACKEND = "sessions_app.logins.backend.LoginSessionBackend"
SERVER_SIDE_ENGINES = {f"django.contrib.sessions.backends.{name}" for name in ("db", "cached_db", "cache")}
# Their incr() reads, adds and writes, which is not atomic; the dummy cache stores nothing.
CANNOT_COUNT = {
    "django.core.cache.backends.db.DatabaseCache",
    "django.core.cache.backends.filebased.FileBasedCache",
    "django.core.cache.backends.dummy.DummyCache",
}
IN_MEMORY = "django.core.cache.backends.locmem.LocMemCache"


@register
def check_session_engine(**kwargs: Any) -> list[CheckMessage]:
    """Report a session engine that keeps sessions in the browser, where they cannot be ended."""
    if settings.SESSION_ENGINE in SERVER_SIDE_ENGINES:
        return []
    return [
        Error(
            f"SESSION_ENGINE {settings.SESSION_ENGINE} is not supported.",
            hint="Use the db, cached_db or cache engine (SESSION_STORE). Signed cookies keep the session in the "
            "browser, where nobody can end it.",
            id="sessions_app.E001",
        )
    ]


@register
def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    """Report a missing or misplaced middleware, without which an ended login session would still be accepted."""
    order = [
        settings.MIDDLEWARE.index(name) if name in settings.MIDDLEWARE else -1 for name in (BEFORE, MIDDLEWARE, AFTER)
    ]
    if -1 not in order and order == sorted(order):
        return []
    return [
        Error(
            "LoginSessionMiddleware is missing or in the wrong place.",
            hint=f"MIDDLEWARE must have {BEFORE}, then {MIDDLEWARE}, then {AFTER}.",
            id="sessions_app.E002",
        )
    ]


@register
def check_backend(**kwargs: Any) -> list[CheckMessage]:
    """Report another authentication backend, which would not check whether the login session is over."""
    if settings.AUTHENTICATION_BACKENDS == [BACKEND]:
        return []
    return [
        Error(
            "AUTHENTICATION_BACKENDS must hold LoginSessionBackend only.",
            hint=f'Set AUTHENTICATION_BACKENDS = ["{BACKEND}"].',
            id="sessions_app.E003",
        )
    ]


@register
def check_cache(**kwargs: Any) -> list[CheckMessage]:
    """Report a cache without atomic counters, which would lose failed logins that happen at the same time."""
    backend = settings.CACHES["default"]["BACKEND"]
    if backend not in CANNOT_COUNT:
        return []
    return [
        Error(
            f"The cache {backend} cannot count failed logins reliably.",
            hint="Leave CACHE_URL empty for the cache of the database, or set it to a Redis or Memcached server.",
            id="sessions_app.E004",
        )
    ]


@register
def check_cache_is_shared(**kwargs: Any) -> list[CheckMessage]:
    """Report a cache in memory, with which each process counts failed logins separately."""
    if settings.CACHES["default"]["BACKEND"] != IN_MEMORY:
        return []
    return [
        CheckWarning(
            "The cache is in the memory of each process: this is right for one web process only.",
            hint="With several, each would allow the whole number of failed logins, and SESSION_STORE=cache would not "
            "work. Leave CACHE_URL empty for the cache of the database, or set it to a Redis or Memcached server.",
            id="sessions_app.W004",
        )
    ]
