"""Makes the practice host of `make run` known to the console: an authority, a resource, an activity and a policy.

They are made once. Later starts change only the port, so that changes of an administrator stay.
"""

from __future__ import annotations

import datetime as dt

from django.contrib.auth import get_user_model
from django.db import transaction

from sessions_app.catalogue.models import AccessPolicy, AccountKind, Activity, ConnectionProfile, Platform, Resource
from sessions_app.hosts.models import AuthorityState, CertificateAuthority
from sessions_app.hosts.ssh import ca

NAME = "practice-host"
ACTIVITY = "Practise sudo"
USERS = ("alice", "bob")


def port_of() -> int:
    """Return the port that the host had last; 2200 before the first start."""
    return Resource.objects.filter(name=NAME).values_list("port", flat=True).first() or 2200


@transaction.atomic
def announce(address: str, port: int, host_key: str) -> None:
    """Store where the host is and, at the first start, who may do what there. Raise SealingError."""
    if not CertificateAuthority.objects.filter(state=AuthorityState.ACTIVE).exists():
        ca.create()
    host = Resource.objects.filter(name=NAME).first()
    if host is None:
        _make(address, port, host_key)
    elif (host.address, host.port, host.host_key) != (address, port, host_key):
        host.address, host.port, host.host_key = address, port, host_key
        host.save(update_fields=["address", "port", "host_key"])


def _make(address: str, port: int, host_key: str) -> None:
    host = Resource.objects.create(
        name=NAME,
        platform=Platform.LINUX,
        address=address,
        port=port,
        connector="ssh",
        service_account="root",
        host_key=host_key,
        description="This machine itself, over an SSH server of its own that only this machine reaches.",
    )
    activity = Activity.objects.create(
        name=ACTIVITY,
        platform=Platform.LINUX,
        kind=AccountKind.EPHEMERAL,
        login_account_template="{user}-practice",
        sudo_rule="ALL=(ALL) NOPASSWD: ALL",
        description="A real account with sudo, made for the session and removed after it.",
    )
    profile = ConnectionProfile.objects.create(
        name="Practice", maximum_duration=dt.timedelta(minutes=30), logon_monitor_interval=5, extension_limit=1
    )
    policy = AccessPolicy.objects.create(name="Practice host", profile=profile)
    policy.users.set(get_user_model()._default_manager.filter(username__in=USERS))
    policy.activities.set([activity])
    policy.resources.set([host])
