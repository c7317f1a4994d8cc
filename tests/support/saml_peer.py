"""A SAML identity provider as a second process (saml_idp.mjs), and a person who logs in there.

Use the fixture `saml_provider`: it starts the process once for the whole run, and sets the console up for it as "saml".
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from scripts.vendor import install
from sessions_app.logins.geoip.npm_program import find_npm
from tests.support.pages import ClientResponse
from tests.support.programs import ROOT

SCRIPT = ROOT / "tests" / "support" / "saml_idp.mjs"
BASE = "/accounts/sso/saml/"


class SamlPeer:
    """The identity provider that runs, as the tests see it."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self.key = key  # with which it signs, as PEM
        self.issuer = f"{address}/metadata"

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return the setting SSO_PROVIDERS for this provider."""
        entry = {"kind": "saml", "name": "Directory", "issuer": self.issuer, "metadata_url": self.issuer}
        return {"saml": entry | more}

    def meet(self, client: Client) -> None:
        """Give the provider the metadata of the console, as an administrator does."""
        metadata = client.get(f"{BASE}metadata/")
        assert metadata.status_code == 200, metadata.content
        requests.post(f"{self.address}/test/configure", data=metadata.content, timeout=10).raise_for_status()

    def answer(self, address: str, subject: str, **said: str) -> dict[str, str]:
        """Go to the provider as the person with this subject, and return the form that it sends to the console.

        `said` is what the answer says besides; see saml_idp.mjs. `attributes` are JSON.
        """
        response = requests.get(address, params={"sub": subject, **said}, timeout=10)
        response.raise_for_status()
        found: dict[str, str] = response.json()
        assert found.pop("address") == f"http://testserver{BASE}acs/"
        return found

    def logout_request(self, subject: str, session: str = "s1") -> str:
        """Return the address at the console to which the provider sends a browser that logs out there."""
        response = requests.get(f"{self.address}/test/logout", params={"sub": subject, "session": session}, timeout=10)
        response.raise_for_status()
        return response.text.removeprefix("http://testserver")


def attributes(**values: Any) -> str:
    return json.dumps(values)


def begin(client: Client, **query: str) -> str:
    """Press the button on the login page, and return the address at the provider."""
    response = client.get(f"{BASE}login/", query)
    assert response.status_code == 302, response.content.decode()
    return response["Location"]


def come_back(client: Client, form: dict[str, str]) -> ClientResponse:
    """Bring the form of the provider to the console, and follow its first redirect, which brings the cookie along."""
    posted = client.post(f"{BASE}acs/", form)
    if posted.status_code != 302:
        return posted
    return client.get(posted["Location"])


def sign_in(client: Client, peer: SamlPeer, subject: str = "s-1", *, next_url: str = "", **said: str) -> ClientResponse:
    """Log a test client in by the provider, and return the console's last answer."""
    peer.meet(client)
    address = begin(client, **({"next": next_url} if next_url else {}))
    return come_back(client, peer.answer(address, subject, **said))


def key_and_certificate() -> tuple[str, str]:
    """Return a new private key and its certificate, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "identity provider of the tests")])
    now = timezone.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="session")
def saml_process() -> Iterator[SamlPeer]:
    """Start the provider once, and end it with the tests."""
    npm = find_npm()
    if not npm or not install():
        pytest.skip("npm is needed for the provider of the tests")
    node = npm[0] if len(npm) > 1 else "node"
    key, certificate = key_and_certificate()
    other, _ = key_and_certificate()
    environment = {
        "PATH": os.environ["PATH"],
        "SAML_KEY": key,
        "SAML_CERTIFICATE": certificate,
        "SAML_OTHER_KEY": other,
    }
    process = subprocess.Popen(
        [node, str(SCRIPT)], cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield SamlPeer(process.stdout.readline().strip(), key)
    finally:
        process.stdin.close()
        process.wait(10)


@pytest.fixture
def saml_provider(db: None, saml_process: SamlPeer, settings: Any) -> SamlPeer:
    """Set the console up for the provider."""
    settings.SSO_PROVIDERS = saml_process.settings()
    cache.clear()
    return saml_process
