"""Second factors for tests: people who have an authenticator app, and the codes that it shows."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import User
from fido2.cose import ES256, CoseKey
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

from sessions_app.factors import totp, webauthn

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def give_app(user: User, secret: str = SECRET) -> str:
    """Give the user an authenticator app of which no code was used yet. Return its secret."""
    totp.store(user, secret, step=0, name="Phone")
    return secret


def give_key(user: User, kind: str = webauthn.SECURITY_KEY, name: str = "Key", key: SoftKey | None = None) -> SoftKey:
    """Give the user a security key or a passkey, as if a browser had set it up. Return it."""
    key = key or SoftKey()
    data = {"name": name, "kind": kind, "sign_count": 0, "credential": key.registration("", user)}
    key.row = Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data=data)
    return key


class SoftKey:
    """A security key in software. It answers what a browser would answer, for the test client's host by default."""

    row: Authenticator

    def __init__(self, host: str = "localhost", scheme: str = "http") -> None:
        self.host, self.origin = host, f"{scheme}://{host}"
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.number = os.urandom(16)
        self.handle = b""
        self.uses = 0  # a key that does not count stays at 0

    def registration(self, challenge: str, user: User, *, verified: bool = True) -> dict[str, Any]:
        """Return the answer that makes this key one of the user's."""
        self.handle = str(user.pk).encode()
        made = AttestedCredentialData.create(Aaguid(bytes(16)), self.number, self._public)
        data = self._data(AuthenticatorData.FLAG.AT, verified, made)
        attestation = AttestationObject.create("none", data, {})
        response = {
            "clientDataJSON": self._client("webauthn.create", challenge),
            "attestationObject": websafe_encode(attestation),
        }
        return {
            "id": websafe_encode(self.number),
            "rawId": websafe_encode(self.number),
            "type": "public-key",
            "response": response,
        }

    def answer(self, question: dict[str, Any], *, verified: bool = True) -> str:
        """Return the answer to a question of the console."""
        data = self._data(AuthenticatorData.FLAG(0), verified, None)
        client = self._client("webauthn.get", question["options"]["challenge"])
        signed = data + hashlib.sha256(websafe_decode(client)).digest()
        response = {
            "clientDataJSON": client,
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(self.private.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": websafe_encode(self.handle),
        }
        return json.dumps(
            {
                "id": websafe_encode(self.number),
                "rawId": websafe_encode(self.number),
                "type": "public-key",
                "response": response,
            }
        )

    @property
    def _public(self) -> CoseKey:
        point = self.private.public_key().public_numbers()
        return ES256({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})  # RFC 9053, 7.1.1

    def _client(self, kind: str, challenge: str) -> str:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return websafe_encode(json.dumps(said).encode())

    def _data(self, more: int, verified: bool, made: AttestedCredentialData | None) -> AuthenticatorData:
        flags = AuthenticatorData.FLAG.UP | (AuthenticatorData.FLAG.UV if verified else 0) | more
        data: AuthenticatorData = AuthenticatorData.create(
            hashlib.sha256(self.host.encode()).digest(), flags, self.uses, made or b""
        )
        return data


def code_of(secret: str = SECRET, *, steps: int = 0) -> str:
    """Return the code that the app shows now, or `steps` time steps later."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // totp.PERIOD + steps)))
