"""Login sessions: one for each browser that is logged in to the console, and for each SSH client with a key.

Only a hash of the session key is stored.
"""

from __future__ import annotations

import hashlib
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from activity.rows import QuickRows
from activity.text_index import TextIndex
from sessions_app.devices.models import Device, RecognisedBy
from sessions_app.roles import Person, sees_everything

LONGEST_NOTE = 500  # characters; login rules say in a sentence what they allow


class EndReason(models.TextChoices):
    """Why a login session is over."""

    LOGOUT = "logout", "Logged out"
    FORCED = "forced", "Logged out by an administrator"
    OTHERS = "others", "Logged out from another browser"
    PASSWORD = "password", "Password changed"
    LOCKED = "locked", "Account locked"
    DISABLED = "disabled", "Account disabled"
    EXPIRED = "expired", "Expired"
    REPLACED = "replaced", "Replaced by a new login"
    PROVIDER = "provider", "Logged out by the provider"
    NOT_ME = "not_me", "Reported: this wasn't me"
    NETWORKS = "networks", "Outside the allowed networks"
    HOURS = "hours", "Outside the allowed hours"
    TOO_MANY = "too_many", "Too many logins"
    CLOSED = "closed", "SSH client closed"


class Method(models.TextChoices):
    """The first step of a login."""

    PASSWORD = "password", "Password"
    PASSKEY = "passkey", "Passkey"
    PROVIDER = "provider", "Single sign-on"
    SSH_KEY = "ssh_key", "SSH key"  # at the gateway; no browser can use such a login


class SecondFactor(models.TextChoices):
    """The second step of a login, or what stood in for it."""

    TOTP = "totp", "Authenticator app"
    SECURITY_KEY = "security_key", "Security key"
    PASSKEY = "passkey", "Passkey"  # which needs a PIN or a finger, so that it is two factors in one step
    RECOVERY_CODE = "recovery_code", "Recovery code"
    PROVIDER = "provider", "By the provider"


# The fields that the search of the list covers.
LOGIN_WORDS = TextIndex(
    "sessions_app_loginsession",
    ("user_name", "ip", "city", "region", "country", "device", "os", "browser"),
    addresses=("ip",),
)
# The columns by which the list is sorted, and the names of their indexes.
SORTED = (
    ("user_name", "user_name"),
    ("ip", "ip"),
    ("city", "city"),
    ("country", "country"),
    ("device", "device"),
    ("os", "os"),
    ("browser", "browser"),
    ("created_at", "created"),
    ("last_access_at", "last_access"),
    ("end_reason", "end_reason"),
    ("signed_in_with", "signed_in"),
    ("second_factor", "second_factor"),
    ("network", "network"),
    ("expires_at", "expires"),
    ("known_device", "known_device"),
)


class LoginSessionQuerySet(models.QuerySet["LoginSession"]):
    """Selections of login sessions."""

    def live(self) -> Self:
        """Return the login sessions that are not ended."""
        return self.filter(ended_at=None)

    def visible_to(self, user: Person) -> Self:
        """Return all login sessions for administrators and auditors, and only the user's own for others."""
        return self if sees_everything(user) else self.filter(user_id=user.pk)

    def of_browsers(self) -> Self:
        """Return the login sessions that are not those of SSH clients."""
        return self.exclude(signed_in_with=Method.SSH_KEY)


def hash_session_key(key: str) -> str:
    """Return the SHA-256 of a session key in hex. A key has about 160 random bits, so it needs no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


class LoginSession(QuickRows):
    """One browser or SSH client of one user: from where, with which software, since when. Ended rows stay."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="login_sessions")
    user_name = models.CharField("user", max_length=150)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    ip = models.GenericIPAddressField("public IP", null=True)
    city = models.CharField(max_length=120, default="Unknown")
    region = models.CharField(max_length=120, blank=True)
    country = models.CharField(max_length=120, blank=True)
    country_code = models.CharField(max_length=2, blank=True)
    is_abroad = models.BooleanField("from abroad", default=False)  # in another country than usual: abroad.py
    latitude = models.FloatField(null=True)
    longitude = models.FloatField(null=True)
    accuracy_km = models.PositiveIntegerField("accuracy radius (km)", null=True)
    asn = models.BigIntegerField("number of the network", null=True)  # of its autonomous system, RFC 6793
    network = models.CharField(max_length=100, blank=True)  # whose it is: a provider or a company
    device = models.CharField(max_length=10, default="Other")
    os = models.CharField("operating system", max_length=60, blank=True)
    os_version = models.CharField(max_length=30, blank=True)
    browser = models.CharField(max_length=60, blank=True)
    browser_version = models.CharField(max_length=30, blank=True)
    user_agent = models.CharField(max_length=512, blank=True)
    created_at = models.DateTimeField("logged in", default=timezone.now)
    last_access_at = models.DateTimeField("last access", default=timezone.now)
    # When it ends unless it is used again, by the limits of its last use (expiry.py). Empty once it has ended.
    expires_at = models.DateTimeField("expires", null=True)
    ended_at = models.DateTimeField("ended", null=True)
    end_reason = models.CharField(max_length=10, choices=EndReason.choices, blank=True)
    # How the person signed in. Empty for logins from before the console wrote it down.
    signed_in_with = models.CharField(max_length=10, choices=Method.choices, blank=True)
    provider = models.CharField(max_length=60, blank=True)  # the name of the provider of single sign-on
    second_factor = models.CharField(max_length=15, choices=SecondFactor.choices, blank=True)
    confirmed_at = models.DateTimeField("confirmed", null=True)  # when the person last gave a factor: factors/fresh.py
    must_enrol = models.BooleanField(default=False)  # nothing but setting up a second factor is open to this login
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    # Without an index of its own: that of the sorted list (SORTED) begins with it.
    known_device = models.ForeignKey(Device, models.SET_NULL, null=True, related_name="logins", db_index=False)
    recognised_by = models.CharField(max_length=6, choices=RecognisedBy.choices, blank=True)
    travel_kmh = models.PositiveIntegerField(null=True)  # faster than an aeroplane since an earlier login: travel.py

    objects = LoginSessionQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["user", "ended_at"], name="login_user_ended"),
            *(models.Index(fields=[field, "id"], name=f"login_{name}") for field, name in SORTED),
            # The few live ones in each order, without reading those that have ended.
            *(
                models.Index(fields=[field, "id"], name=f"login_live_{name}", condition=models.Q(ended_at=None))
                for field, name in SORTED
            ),
            models.Index(fields=["id"], name="login_live_number", condition=models.Q(ended_at=None)),
            # The last ones of a person whose country is known, and the few from abroad.
            models.Index(fields=["user", "id"], name="login_located", condition=~models.Q(country_code="")),
            models.Index(fields=["last_access_at", "id"], name="login_abroad", condition=models.Q(is_abroad=True)),
            models.Index(
                fields=["last_access_at", "id"],
                name="login_new_device",
                condition=models.Q(recognised_by=RecognisedBy.NEW),
            ),
            models.Index(
                fields=["last_access_at", "id"],
                name="login_travel",
                condition=models.Q(travel_kmh__isnull=False),
            ),
            # Without the live ones, because SQLite would find them by this index and sort them.
            models.Index(fields=["ended_at", "id"], name="login_ended", condition=models.Q(ended_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ended_at=None, end_reason="")
                | models.Q(ended_at__isnull=False) & ~models.Q(end_reason=""),
                name="login_end_has_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_name} from {self.ip or 'an unknown address'} with {self.browser or 'an unknown browser'}"

    @property
    def is_live(self) -> bool:
        return self.ended_at is None

    @property
    def is_from_new_device(self) -> bool:
        return self.recognised_by == RecognisedBy.NEW


class LogoutNote(models.Model):
    """Why an administrator or a login rule ended a login session, in words for its user."""

    login = models.OneToOneField(LoginSession, models.CASCADE, primary_key=True, related_name="+")
    text = models.CharField(max_length=LONGEST_NOTE)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.text


class NewDeviceNotice(models.Model):
    """Tells a person of a login from a new device: by mail, or on their pages where no mail could be sent."""

    login = models.OneToOneField(LoginSession, models.CASCADE, primary_key=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    mailed_at = models.DateTimeField(null=True)  # stored before it is sent, so that nobody gets two
    is_shown = models.BooleanField(default=False)  # on the pages of the person's other logins
    seen_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["made_at"], name="new_device_waiting", condition=models.Q(mailed_at=None, is_shown=False)
            ),
            models.Index(fields=["user"], name="new_device_shown", condition=models.Q(is_shown=True, seen_at=None)),
        ]

    def __str__(self) -> str:
        return str(self.login)


class AddressSource(models.TextChoices):
    """Where the console read the address of a browser (client_ip.py)."""

    PEER = "peer", "Its own connection"
    HEADER = "header", "X-Forwarded-For"
    PROXY = "proxy", "The proxy, which named no other"


class LoginAddress(models.Model):
    """One address that a login session was used from: where it is, when it was seen, and how it was found.

    While the session is at this address, `last_seen_at` is when it came here, and the session has its last use.
    """

    login = models.ForeignKey(LoginSession, models.CASCADE, related_name="addresses", db_index=False)
    ip = models.GenericIPAddressField("public IP")
    city = models.CharField(max_length=120, default="Unknown")
    region = models.CharField(max_length=120, blank=True)
    country = models.CharField(max_length=120, blank=True)
    country_code = models.CharField(max_length=2, blank=True)
    latitude = models.FloatField(null=True)
    longitude = models.FloatField(null=True)
    accuracy_km = models.PositiveIntegerField("accuracy radius (km)", null=True)
    asn = models.BigIntegerField("number of the network", null=True)
    network = models.CharField(max_length=100, blank=True)
    source = models.CharField(max_length=6, choices=AddressSource.choices, blank=True)  # empty: not recorded
    proxies = models.CharField(max_length=200, blank=True)  # of ours that the request came through, the nearest first
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["login", "ip"], name="login_address_once")]

    def __str__(self) -> str:
        return f"{self.ip} of login session {self.login_id}"
