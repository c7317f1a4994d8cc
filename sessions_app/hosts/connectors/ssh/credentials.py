"""The credentials with which SessionAdmin logs in to a host: a short-lived certificate or a stored key.

Never logged.
"""

from __future__ import annotations

import threading
import time

import asyncssh
from django.views.decorators.debug import sensitive_variables

from sessions_app.catalogue.connectors import PermanentError
from sessions_app.catalogue.models import Resource, ServiceAuth
from sessions_app.hosts.connectors.ssh.transport import Credentials, Host
from sessions_app.hosts.ssh import ca
from sessions_app.hosts.ssh.service import open_key
from sessions_app.sealing import SealingError

KEPT_SECONDS = 240  # how long a certificate is used again, so that not every look needs a signature
DEFAULT_ACCOUNT = "sessionadmin"

_kept: dict[tuple[int, str], tuple[float, Credentials]] = {}
_lock = threading.Lock()


def host_of(resource: Resource) -> Host:
    """Return the address of the resource. Raise PermanentError if it has none."""
    if not resource.address:
        raise PermanentError(f"{resource.name} has no address. Correct the resource.")
    account = resource.service_account or DEFAULT_ACCOUNT
    return Host(resource.name, resource.address, resource.port, account, resource.host_key)


@sensitive_variables("found")
def credentials_for(resource: Resource) -> Credentials:
    """Return the credentials for asyncssh's client_keys. Raise PermanentError if there are none."""
    account = resource.service_account or DEFAULT_ACCOUNT
    try:
        if resource.service_auth == ServiceAuth.KEY:
            return _stored_key(resource)
        with _lock:
            since, found = _kept.get((resource.pk, account), (0.0, None))
            if found is None or time.monotonic() - since > KEPT_SECONDS:
                found = ca.service_login(account, target=resource)
                _kept[resource.pk, account] = (time.monotonic(), found)
            return found
    except (SealingError, ca.AuthorityError) as error:
        raise PermanentError(f"SessionAdmin cannot log in to {resource.name}: {error}") from error


def forget() -> None:
    """Forget the signed certificates, so that the next use signs a new one."""
    with _lock:
        _kept.clear()


def _stored_key(resource: Resource) -> asyncssh.SSHKey:
    key = resource.service_key
    if key is None:
        raise PermanentError(f"{resource.name} has no stored key to log in with. Choose one in the administration.")
    try:
        return open_key(key)
    except asyncssh.KeyImportError:
        raise PermanentError(f"The stored key {key.name} cannot be read. Make a new one.") from None
