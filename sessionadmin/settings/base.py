"""Settings that hold everywhere. What differs by place is in development, production and test.

Every value that a person may change comes from the environment; `.env.example` lists them all.
"""

import warnings
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from sessionadmin.environment import Environment
from sessionadmin.settings.gateway import *
from sessionadmin.settings.sign_in import *

env = Environment()

PACKAGE_DIR = Path(__file__).resolve().parent.parent
BASE_DIR = PACKAGE_DIR.parent
# A wheel has templates and static files in the package, the repository beside it (scripts/wheel.py).
IS_WHEEL = (PACKAGE_DIR / "templates").is_dir()
PAGES_DIR = PACKAGE_DIR if IS_WHEEL else BASE_DIR
HELP_DIR = PAGES_DIR  # docs/ and README.md, which /help/ shows
VAR_DIR = Path(env.str("VAR_DIR", default=str((Path.cwd() if IS_WHEEL else BASE_DIR) / "var"))).resolve()

try:
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is kept there is for the console's account alone
except OSError as error:
    raise ImproperlyConfigured(
        f"VAR_DIR {VAR_DIR} cannot be made: {error.strerror}. Nothing was started. Make it with the mode 0700 for the "
        "account that the console runs as, or set VAR_DIR to a directory which that account may write to."
    ) from error

INSTALLED_APPS = [
    "sessionadmin.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_filters",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "activity",
    "sessions_app",
]

MIDDLEWARE = [
    # First, so that every answer has its header, also the refusal of a host name and a redirect to HTTPS.
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "sessionadmin.replica.OwnWrites",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessions_app.logins.middleware.LoginSessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "sessions_app.emergency.OutageRetryMiddleware",
    "sessions_app.logins.required.HtmxLoginRequiredMiddleware",
    "sessions_app.refused_attempts.RefusedAttemptsMiddleware",
    "sessions_app.request_limits.RequestLimitMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "activity.middleware.ViewerTimezoneMiddleware",
    "sessions_app.factors.required_first_middleware.RequiredFirstMiddleware",
    # Last, so that strangers and limits are answered before.
    "sessions_app.factors.step_up_middleware.StepUpMiddleware",
]

ROOT_URLCONF = "sessionadmin.urls"
WSGI_APPLICATION = "sessionadmin.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PAGES_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sessions_app.pages.navigation.navigation",
            ],
        },
    },
]


# Django's backends, with a line in the log for each transaction that holds the database for long.
LOGGED_BACKENDS = {
    "django.db.backends.sqlite3": "sessionadmin.database.sqlite3",
    "django.db.backends.postgresql": "sessionadmin.database.postgresql",
}


def database_config(url: str) -> dict[str, object]:
    """Return what `url` says about a database. Raise ImproperlyConfigured, without its password, where it says nothing.

    The package warns of a kind of database that it does not know, and prints the password.
    """
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):
            config: dict[str, object] = Environment.db_url_config(url)
        if config["ENGINE"] not in LOGGED_BACKENDS:
            raise ValueError(config["ENGINE"])
    except (KeyError, ValueError, UserWarning) as error:
        raise ImproperlyConfigured(
            "DATABASE_URL or REPLICA_URL is not the address of a database. Nothing was started. Write it as "
            "postgres://USER:PASSWORD@HOST:5432/NAME or as sqlite:///PATH."
        ) from error
    return config


def database(url: str) -> dict[str, object]:
    """Return one Django database entry for `url`: SQLite in WAL with immediate transactions, or PostgreSQL."""
    config: dict[str, object] = database_config(url)
    options: dict[str, object] = dict(config.get("OPTIONS") or {})  # type: ignore[call-overload]  # environ has no types
    is_sqlite = config["ENGINE"] == "django.db.backends.sqlite3"
    if config["ENGINE"] in LOGGED_BACKENDS:
        config["ENGINE"] = LOGGED_BACKENDS[str(config["ENGINE"])]
    if is_sqlite:
        options |= {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds to wait for a lock
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
        }
        config["CONN_MAX_AGE"] = None  # each thread keeps its connection: opening one costs as much as a page
    else:
        # A database that is cut off is noticed in half a minute instead of a quarter of an hour (libpq's own names).
        patience = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
        options = {**patience, "tcp_user_timeout": 20_000, **options}
        config["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
        config["CONN_HEALTH_CHECKS"] = True
    config["OPTIONS"] = options
    return config


DATABASES = {"default": database(env.str("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'sessionadmin.sqlite3'}"))}
# PostgreSQL only, in seconds, 0 for none (activity/time_limits.py): a statement of a page; for pages, worker and
# gateway also a wait for a lock, as long as SQLite waits, and a transaction in which nothing happens.
DATABASE_STATEMENT_SECONDS = env.int("DATABASE_STATEMENT_SECONDS", default=30)
DATABASE_LOCK_SECONDS = env.int("DATABASE_LOCK_SECONDS", default=20)
DATABASE_IDLE_SECONDS = env.int("DATABASE_IDLE_SECONDS", default=60)
# Lists and downloads may be read there (sessionadmin/replica.py), at most so many seconds behind.
REPLICA_MAX_LAG = env.int("REPLICA_MAX_LAG", default=10)
DATABASE_ROUTERS = ["sessionadmin.replica.Router"]


def replica(url: str) -> dict[str, object]:
    """Return the database entry of a replica: read only, and with shorter timeouts than the main database."""
    config = database(url)
    sooner = {"connect_timeout": 3, "tcp_user_timeout": 5_000, "options": "-c default_transaction_read_only=on"}
    config["OPTIONS"] = {**config["OPTIONS"], **sooner}  # type: ignore[dict-item]  # environ has no types
    return config


if REPLICA_URL := env.str("REPLICA_URL", default=""):
    DATABASES["replica"] = replica(REPLICA_URL)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["sessions_app.logins.backend.LoginSessionBackend"]

SESSION_STORE = env.str("SESSION_STORE", default="db")
SESSION_ENGINE = f"django.contrib.sessions.backends.{SESSION_STORE}"
SESSION_COOKIE_AGE = env.int("LOGIN_LIFETIME", default=12 * 60 * 60)  # seconds
LOGIN_IDLE_TIMEOUT = env.int("LOGIN_IDLE_TIMEOUT", default=2 * 60 * 60)  # seconds without an action of the person
LOGIN_FAILURES_PER_ACCOUNT = env.int("LOGIN_FAILURES_PER_ACCOUNT", default=10)  # within 15 minutes
LOGIN_FAILURES_PER_ADDRESS = env.int("LOGIN_FAILURES_PER_ADDRESS", default=50)  # within 15 minutes
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "sessions_app.error_pages.csrf_failure"


def cache(url: str) -> dict[str, object]:
    """Return one Django cache for `url`. dbcache:// is a table of the database (sessionadmin/cache.py)."""
    config: dict[str, object] = Environment.cache_url_config(url)
    if config["BACKEND"] == "django.core.cache.backends.db.DatabaseCache":
        config["BACKEND"] = "sessionadmin.cache.CountingDatabaseCache"
    return config


# Django keeps 300 entries by itself: guessing at 300 accounts would drop the count of the first.
DATABASE_CACHE = "dbcache://sessionadmin_cache?max_entries=100000"
CACHES = {"default": cache(env.str("CACHE_URL", default="") or DATABASE_CACHE)}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "sessionadmin.formats"  # of the administration; our own pages: activity/listing/times.py

STATIC_URL = "static/"
STATICFILES_DIRS = [PAGES_DIR / "static"]
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))

# No inline script, no inline style, no eval, nothing from outside.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

FILE_UPLOAD_HANDLERS = ["sessionadmin.no_uploads.NoUploads"]

# CIDRs of our own proxies; X-Forwarded-For counts only when the peer is one of them.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])


def geoip_database(chosen: str, *names: str) -> str:
    """Return the file to use: the chosen one, else the first of `names` that exists at start, else ""."""
    paths = [VAR_DIR / "geoip" / name for name in names]
    return chosen or next((str(path) for path in paths if path.is_file()), "")


GEOIP_DATABASE = geoip_database(env.str("GEOIP_DATABASE", default=""), "city.mmdb")  # `geoip_update` writes city.mmdb
GEOIP_ASN_DATABASE = geoip_database(env.str("GEOIP_ASN_DATABASE", default=""), "asn.mmdb")  # whose network it is
# Two letters (ISO 3166-1): where people usually log in, until their own logins say where.
HOME_COUNTRY = env.str("HOME_COUNTRY", default="").strip().upper()
PRACTICE_DIR = VAR_DIR / "practice"
IS_TRIAL = False  # a trial offers resources that are only pretended


def recordings_storage() -> dict[str, object]:
    """Return STORAGES["recordings"]: what RECORDINGS_STORAGE names, else a directory of this machine.

    Only the console's account reads that directory.
    """
    backend = env.str("RECORDINGS_STORAGE", default="")
    if backend:
        return {"BACKEND": backend, "OPTIONS": env.json("RECORDINGS_STORAGE_OPTIONS", default={})}
    options = {
        "location": str(VAR_DIR / "recordings"),
        "base_url": None,
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    }
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}


RECORDING_MAX_BYTES = env.int("RECORDING_MAX_BYTES", default=64 * 1024 * 1024)  # of one recording
LOG_REVIEW_DAYS = env.int("LOG_REVIEW_DAYS", default=7)  # Health warns after so many without a review; 0: never
# What one person may do, so that nobody does it to the harm of the others (activity/limits.py).
PAGE_REQUESTS_LIMIT = env.int("PAGE_REQUESTS_LIMIT", default=600)  # in a minute; slow ones count more
SESSION_REQUESTS_LIMIT = env.int("SESSION_REQUESTS_LIMIT", default=10)  # in ten minutes
DOWNLOADS_LIMIT = env.int("DOWNLOADS_LIMIT", default=2)  # at a time
LIVE_VIEWS_LIMIT = env.int("LIVE_VIEWS_LIMIT", default=4)  # at a time
# Bytes of one download that may wait for its reader in a file of VAR_DIR; beyond them the download waits too.
DOWNLOAD_SPOOL_BYTES = env.int("DOWNLOAD_SPOOL_BYTES", default=64 * 1024 * 1024)
EXPORTS_DIR = Path(env.str("EXPORTS_DIR", default=str(VAR_DIR / "exports")))  # of scheduled exports
EXPORTS_DAYS = env.int("EXPORTS_DAYS", default=7)  # after which the link of one expires
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000")  # for links in e-mail

# Seal what must stay secret at rest (sessions_app/sealing.py): the first encrypts, each of them decrypts.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[])
# Evidence (docs/evidence.md): the name of the log in its checkpoints; empty is the console's host and /log.
EVIDENCE_ORIGIN = env.str("EVIDENCE_ORIGIN", default="")
EVIDENCE_CHECKPOINT_FILE = env.str("EVIDENCE_CHECKPOINT_FILE", default="")  # a file, or a directory
EVIDENCE_CHECKPOINT_FILE_MODE = env.str("EVIDENCE_CHECKPOINT_FILE_MODE", default="append")  # or replace
EVIDENCE_CHECKPOINT_MAIL = env.list("EVIDENCE_CHECKPOINT_MAIL", default=[])
EVIDENCE_CHECKPOINT_MAIL_HOURS = env.int("EVIDENCE_CHECKPOINT_MAIL_HOURS", default=24)
EVIDENCE_TSA_URL = env.str("EVIDENCE_TSA_URL", default="")  # of an RFC 3161 time-stamp authority
EVIDENCE_TSA_CERTIFICATES = env.str("EVIDENCE_TSA_CERTIFICATES", default="")  # PEM file of those that it must come from
# After how many days a worker exports and deletes entries of the log; 0: never. Below 365 only where that is wanted.
LOG_RETENTION_DAYS = env.int("LOG_RETENTION_DAYS", default=0)
LOG_RETENTION_BELOW_YEAR = env.bool("LOG_RETENTION_BELOW_YEAR", default=False)
LOG_RETENTION_DIR = env.str("LOG_RETENTION_DIR", default="")  # empty: retention in VAR_DIR, which is made
CERTIFICATE_SECONDS = env.int("CERTIFICATE_SECONDS", default=5 * 60)  # of a person's SSH certificate, at most

# User ids for accounts that sessions make on hosts; each is given once there. The first range lies between what systems
# give to people and what containers use, the second above everything; the last is for hosts that know 65,536 ids only.
HOST_ACCOUNT_IDS = env.str("HOST_ACCOUNT_IDS", default="66000-99999,2000200001-2147352575,60578-61183")
HOST_SEARCH_SECONDS = env.int("HOST_SEARCH_SECONDS", default=40)  # one search, at most 50; 0: none

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=10)  # seconds; a person waits meanwhile
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="sessionadmin@localhost")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"links": {"()": "sessionadmin.logs.HideSignedLinks"}},
    "handlers": {"console": {"class": "sessionadmin.logs.BriefHandler", "formatter": "plain", "filters": ["links"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"fido2": {"level": "WARNING"}},  # it writes the ids of security keys
}
