"""The TLS settings of connections to destinations: which certificates are trusted, and which one of ours is shown."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator

from django.views.decorators.debug import sensitive_variables

from sessions_app.sealing import SealingError, unseal
from sessions_app.siem.errors import DeliveryError
from sessions_app.siem.models import Destination


class BadCertificates(Exception):
    """Certificates or a key cannot be used. The text is for an administrator and holds nothing of a key."""


def context_for(destination: Destination) -> ssl.SSLContext:
    """Return the settings for a connection to `destination`. Raise DeliveryError if they cannot be used."""
    try:
        key = unseal(destination.client_key).decode() if destination.client_key else ""
        return make_context(destination.authorities, destination.client_certificate, key)
    except (BadCertificates, SealingError) as problem:
        raise DeliveryError(str(problem)) from None


@sensitive_variables()
def make_context(authorities: str, certificate: str, key: str) -> ssl.SSLContext:
    """Return settings that trust `authorities`, or those of the system if it is empty. All three are PEM.

    The name in the server's certificate is checked, and TLS is 1.2 or newer. Raise BadCertificates.
    """
    try:
        context = ssl.create_default_context(cadata=authorities or None)
    except (ssl.SSLError, ValueError):
        raise BadCertificates("The certificates to trust are not certificates in PEM format.") from None
    if certificate:
        try:
            with _in_memory(f"{certificate.strip()}\n{key.strip()}\n") as path:
                context.load_cert_chain(path, password=_no_passphrase)
        except (ssl.SSLError, ValueError):
            # Without the cause: it may show where in the key the problem is.
            raise BadCertificates(
                "The client certificate and its key do not belong together, have a passphrase, or are not PEM."
            ) from None
    return context


def _no_passphrase() -> str:
    """Answer the question for a passphrase, which OpenSSL would otherwise ask on the terminal of the process."""
    return ""


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """Give the text a path, as Python wants a key, without writing it to a disk."""
    descriptor = os.memfd_create("client-certificate")
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
