"""Sends messages to an HTTPS address, signed as the Standard Webhooks say (standardwebhooks.com).

The address is looked up and checked for each message, no redirect is followed, and an answer is limited in size and in
time. Proxies of the environment are not used, because then nobody could say where a message goes.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from django.views.decorators.debug import sensitive_variables

from sessions_app.sealing import SealingError
from sessions_app.siem.addresses import checked_addresses
from sessions_app.siem.errors import DeliveryError, certificate_refused
from sessions_app.siem.message import PRODUCT, version
from sessions_app.siem.models import Destination
from sessions_app.siem.tls import context_for

SECONDS = 15.0  # for one message, from the connection to the end of the answer
MOST_BYTES = 64 * 1024  # of an answer; nothing of it is needed
PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64  # bytes of a secret


class WebhookConnection:
    """Delivers to one address. Keeps the connection while the name still leads there."""

    def __init__(self, destination: Destination) -> None:
        parts = urlsplit(destination.url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._allows_private = destination.allows_private
        self._context = context_for(destination)
        self._connection: _CheckedConnection | None = None
        try:
            self._secrets = destination.secrets()
        except SealingError as problem:
            raise DeliveryError(str(problem)) from None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def reach(self) -> None:
        """Connect to the address and check its certificate, without asking anything. Raise DeliveryError."""
        connection = _CheckedConnection(self._host, self._port, self._addresses(), self._context)
        try:
            connection.connect()
        except OSError as error:
            raise self._problem(error) from None
        finally:
            connection.close()

    def post(self, key: str, body: bytes) -> None:
        """Deliver one message. Raise DeliveryError unless the answer is one of success (2xx)."""
        addresses = self._addresses()
        if self._connection is not None and self._connection.address not in addresses:
            self.close()
        was_open = self._connection is not None
        try:
            self._post(key, body, addresses)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not (was_open and isinstance(error, ConnectionError)):
                raise self._problem(error) from None
            self.post(key, body)  # it had been closed because nothing was sent for long

    def _addresses(self) -> Sequence[str]:
        return checked_addresses(self._host, self._port, allows_private=self._allows_private)

    def _problem(self, error: OSError | http.client.HTTPException) -> DeliveryError:
        """Return in words why nothing was delivered."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return certificate_refused(self._host, error)
        if isinstance(error, http.client.RemoteDisconnected):
            return DeliveryError(f"{self._host} closed the connection without an answer.")
        if isinstance(error, TimeoutError):
            return DeliveryError(f"{self._host} did not answer within {SECONDS:.0f} s.")
        why = error.strerror if isinstance(error, OSError) else ""
        return DeliveryError(f"{self._host} cannot be reached: {why or type(error).__name__}.")

    @sensitive_variables("headers")
    def _post(self, key: str, body: bytes, addresses: Sequence[str]) -> None:
        connection = self._connection
        if connection is None:
            connection = _CheckedConnection(self._host, self._port, addresses, self._context)
            self._connection = connection
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"{PRODUCT}/{version()}",
            **signature_headers(key, int(time.time()), body, self._secrets),
        }
        with _limited(connection):
            connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            length = len(answer.read(MOST_BYTES + 1))
        if length > MOST_BYTES or answer.will_close:
            self.close()
        if 300 <= answer.status < 400:
            raise DeliveryError(f"{self._host} answered {answer.status}; redirects are not followed.")
        if not 200 <= answer.status < 300:
            raise DeliveryError(f"{self._host} answered {answer.status} instead of a success.")


class _CheckedConnection(http.client.HTTPSConnection):
    """An HTTPS connection to one of the addresses that were checked, which must have a certificate for the name."""

    def __init__(self, host: str, port: int, addresses: Sequence[str], context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=SECONDS, context=context)
        self.address = addresses[0]
        self._addresses = addresses
        self._tls = context

    def connect(self) -> None:
        """Connect to the first address that answers: not every machine that knows IPv6 addresses reaches them."""
        plain = self._connected()
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def _connected(self) -> socket.socket:
        problem = OSError("There is no address.")
        for address in self._addresses:
            try:
                plain = socket.create_connection((address, self.port), timeout=SECONDS / len(self._addresses))
            except OSError as error:
                problem = error
            else:
                self.address = address
                plain.settimeout(SECONDS)
                return plain
        raise problem


@contextlib.contextmanager
def _limited(connection: http.client.HTTPSConnection) -> Iterator[None]:
    """Raise TimeoutError when the block takes too long, however slowly the answer trickles in."""
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if is_over.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
    if is_over.is_set():
        raise TimeoutError


@sensitive_variables()
def signature_headers(key: str, at: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """Return the three headers of the Standard Webhooks, with one signature for each secret. `at` is in seconds."""
    signed = f"{key}.{at}.".encode() + body
    signatures = (hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest() for secret in secrets)
    return {
        "webhook-id": key,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
    }


@sensitive_variables()
def secret_bytes(secret: str) -> bytes:
    """Return the bytes of a secret, which is written as whsec_ and base64. Raise ValueError, which repeats nothing."""
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not secret.startswith(PREFIX) or not SHORTEST <= len(found) <= LONGEST:
        raise ValueError(f"A secret is {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64.")
    return found
