"""The key pair of the console for SAML: it signs what the console sends. Nothing is decrypted with it.

There is one for the installation, made when it is needed first. Its private half is sealed with ENCRYPTION_KEYS.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_app.sealing import NoKey, UnsealError, seal, unseal
from sessions_app.sso.models import SamlKey

logger = logging.getLogger(__name__)
KEY_BITS = 3072
VALID_FOR = dt.timedelta(days=20 * 365)  # providers compare the certificate itself; some refuse one that has expired


@dataclasses.dataclass(frozen=True, slots=True)
class KeyPair:
    """The certificate that providers get with the metadata, and the private key, both as PEM."""

    certificate: str
    private_key: str = dataclasses.field(repr=False)


@sensitive_variables()
def key_pair() -> KeyPair | None:
    """Return the key pair of this installation; None where there is none, and nothing can be signed.

    A check tells of ENCRYPTION_KEYS that are missing (W053). A key that they do not open is an error in the output.
    """
    try:
        found = SamlKey.objects.filter(pk=SamlKey.ONLY_ROW).first() or _make()
        return KeyPair(found.certificate, unseal(found.private_key).decode())
    except NoKey:
        return None
    except UnsealError as error:
        logger.error("The key for SAML cannot be used, so requests are not signed: %s", error)
        return None


@sensitive_variables()
def _make() -> SamlKey:
    """Make the key pair. If another process does so at the same moment, return that one. Raise NoKey."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    values = {"certificate": _certificate(key), "private_key": seal(private)}
    try:
        with transaction.atomic():
            return SamlKey.objects.create(pk=SamlKey.ONLY_ROW, **values)
    except IntegrityError:
        return SamlKey.objects.get(pk=SamlKey.ONLY_ROW)


@sensitive_variables()
def _certificate(key: rsa.RSAPrivateKey) -> str:
    """Return a certificate that the key signs itself, as metadata of SAML have it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SessionAdmin")])
    now = timezone.now()
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + VALID_FOR)
    )
    return unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
