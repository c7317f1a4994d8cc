"""Settings for the tests: as in production, except for speed. `TEST_DATABASE_URL` chooses PostgreSQL."""

from pathlib import Path

from sessionadmin.settings.base import *

DEBUG = False
IS_TRIAL = True
SECRET_KEY = "only-for-the-tests-0123456789-abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - guards nothing but test data
ENCRYPTION_KEYS = ["b25seS1mb3ItdGhlLXRlc3RzLTAxMjM0NTY3ODlhYmM="]
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
VAR_DIR = Path(env.str("TEST_VAR_DIR", default=str(BASE_DIR / "var" / "test")))
# Each process of pytest numbers its recordings from 1, so that their files would be each other's.
OWN_DIR = VAR_DIR / env.str("PYTEST_XDIST_WORKER", default="")
DATABASES = {
    "default": database(env.str("TEST_DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'unused.sqlite3'}")),
}
if str(DATABASES["default"]["ENGINE"]).endswith(".sqlite3"):
    # A file, not memory: threads and the live server must meet real locking.
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
# Emptied before and after each test, so in memory; "shared" is what production uses, and makes its table here.
CACHES = {"default": cache(env.str("TEST_CACHE_URL", default="locmemcache://")), "shared": cache(DATABASE_CACHE)}
SILENCED_SYSTEM_CHECKS = ["sessions_app.W004", "sessions_app.E031"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "recordings": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(OWN_DIR / "recordings"), "file_permissions_mode": 0o600},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # stays empty; WhiteNoise warns when it is not there
# Tests are quicker than people, and leave downloads unread; those of limits set their own.
PAGE_REQUESTS_LIMIT = SESSION_REQUESTS_LIMIT = 100_000
DOWNLOADS_LIMIT = 100
HOST_SEARCH_SECONDS = 0  # all files of the machine, after sessions
PRACTICE_DIR = VAR_DIR / "practice"
EXPORTS_DIR = OWN_DIR / "exports"
GEOIP_DATABASE = ""
GEOIP_ASN_DATABASE = ""
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
