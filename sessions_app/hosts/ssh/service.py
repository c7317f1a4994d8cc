"""Stored key pairs by which SessionAdmin logs in to hosts: makes, imports and opens them."""

from __future__ import annotations

import asyncssh
from django.views.decorators.debug import sensitive_variables

from sessions_app.hosts.models import ServiceKey
from sessions_app.hosts.ssh.keys import BadKey, read_public_key
from sessions_app.sealing import seal, unseal


@sensitive_variables("text", "key")
def fill(service_key: ServiceKey, text: str = "") -> None:
    """Set both halves of `service_key` without saving it.

    They come from the private key in `text` (OpenSSH or PEM, without a passphrase), or from a new Ed25519 key. Raise
    BadKey or sealing.NoKey.
    """
    if text.strip():
        try:
            key = asyncssh.import_private_key(text.strip() + "\n")
        except (asyncssh.KeyImportError, ValueError):
            # Without a cause, because that may quote what was pasted.
            raise BadKey("This is no private key in OpenSSH or PEM form, or it has a passphrase.") from None
    else:
        key = asyncssh.generate_private_key("ssh-ed25519")
    public = read_public_key(key.export_public_key().decode())
    service_key.public_key, service_key.fingerprint = public.line, public.fingerprint
    service_key.private_key = seal(key.export_private_key())


def open_key(service_key: ServiceKey) -> asyncssh.SSHKey:
    """Return the key pair for asyncssh's client_keys. Use it for the connection only. Raise sealing.SealingError."""
    return asyncssh.import_private_key(unseal(service_key.private_key))
