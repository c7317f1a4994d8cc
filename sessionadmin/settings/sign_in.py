"""Settings of signing in. base.py takes them over."""

import tomllib
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from sessionadmin.environment import Environment

# django-allauth runs the steps of a login; our own forms, limits and pages stand before it (logins/sign_in.py). Nobody
# signs up, no address is verified, and no e-mail is sent by it.
ACCOUNT_ADAPTER = "sessions_app.logins.sign_in.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*"]
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_LOGIN_TIMEOUT = 15 * 60  # seconds between the password and the second factor
ACCOUNT_RATE_LIMITS = False  # logins/throttle.py counts failed tries
# What a login passes after its first step: the classes of allauth's login stages, in this order.
LOGIN_STAGES = [
    "sessions_app.factors.stage.SecondFactorStage",
    "sessions_app.factors.enrolment_stage.EnrolmentStage",
]
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]


def sso_providers(env: Environment) -> dict[str, Any]:
    """Return the providers of single sign-on by name, from a file (TOML) or from one variable (JSON).

    sessions_app/sso/providers.py reads what a provider needs; a system check reports what is wrong with one. Raise
    ImproperlyConfigured for a file or a text that cannot be read at all.
    """
    path = env.str("SSO_PROVIDERS_FILE", default="")
    given = env.str("SSO_PROVIDERS", default="")
    if path and given:
        raise ImproperlyConfigured("SSO_PROVIDERS and SSO_PROVIDERS_FILE are both set. Nothing was started. Keep one.")
    if not path:
        found = env.json("SSO_PROVIDERS", default={}) if given else {}
        if not isinstance(found, dict):
            raise ImproperlyConfigured(
                "SSO_PROVIDERS must be an object in JSON, with one entry for each provider. Nothing was started."
            )
        return found
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ImproperlyConfigured(
            f"SSO_PROVIDERS_FILE {path} cannot be read: {error}. Nothing was started. Correct it, or leave it out."
        ) from error


env = Environment()
SSO_PROVIDERS = sso_providers(env)

DEVICE_COOKIE_NAME = "device"  # which device a login comes from (sessions_app/devices/cookie.py)
# SCIM (sessions_app/scim/): the requests of one token in a minute; and which groups that are roles, such as
# Administrators, an identity provider may fill. It does not see others of that kind.
SCIM_REQUESTS_LIMIT = env.int("SCIM_REQUESTS_LIMIT", default=1800)
SCIM_ROLE_GROUPS = env.list("SCIM_ROLE_GROUPS", default=[])

# A sorted file of SHA-1 hashes of breached passwords, such as Have I Been Pwned gives out; empty: no such check.
BREACHED_PASSWORDS_FILE = env.str("BREACHED_PASSWORDS_FILE", default="")

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "sessions_app.people.passwords.CommonPartsValidator"},
    {"NAME": "sessions_app.people.passwords.ContextWordsValidator"},
    {"NAME": "sessions_app.people.passwords.BreachedPasswordValidator"},
]
