"""Settings for `make run`: a trial on one machine, plain HTTP on loopback."""

import contextlib

from sessionadmin.settings.base import *

with contextlib.suppress(PermissionError):  # somebody else's directory: a check says what is wrong with it
    VAR_DIR.chmod(0o700)  # earlier versions made it readable for everybody


def local_secret_key() -> str:
    """Return the secret key that this machine made for itself on the first run, kept in var/."""
    import secrets  # noqa: PLC0415 - a star import shares this module's names; keep them few

    path = VAR_DIR / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()


def local_encryption_key() -> str:
    """Return the key that encrypts this machine's secrets, made on the first run and kept in var/.

    Only the owner can read it. Two processes that start at once agree on one key: its file appears complete, or not at
    all.
    """
    import base64  # noqa: PLC0415 - as above
    import os  # noqa: PLC0415 - as above
    import tempfile  # noqa: PLC0415 - as above

    path = VAR_DIR / "encryption_key"
    if not path.exists():
        handle, new = tempfile.mkstemp(dir=VAR_DIR)  # mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(32)).decode())
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
        os.unlink(new)
    return path.read_text()


DEBUG = env.bool("DEBUG", default=False)
IS_TRIAL = True
SECRET_KEY = env.str("SECRET_KEY", default="") or local_secret_key()
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[]) or [local_encryption_key()]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
SITE_URL = env.str("SITE_URL", default=f"http://127.0.0.1:{env.str('PORT', default='') or 8000}")  # as scripts/run.py
GEOIP_DATABASE = geoip_database(env.str("GEOIP_DATABASE", default=""), "city.mmdb", "sample.mmdb")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "recordings": recordings_storage(),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # stays empty; WhiteNoise warns when it is not there
# No proxy joins the console and the gateway's websocket here: the page goes to the other port, and may.
GATEWAY_TERMINAL_URL = GATEWAY_TERMINAL_URL or f"ws://127.0.0.1:{GATEWAY_TERMINAL_PORT}/terminal/"
GATEWAY_ORIGINS = GATEWAY_ORIGINS or [
    f"http://{host}:{env.str('PORT', default='') or 8000}" for host in ("127.0.0.1", "localhost", "[::1]")
]
