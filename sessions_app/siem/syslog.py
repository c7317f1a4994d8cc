"""Connections to syslog receivers: TLS (RFC 5425), TCP with its framing (RFC 6587, octet counting), UDP (RFC 5426).

Syslog has no answer. What can be known is used: the receiver's kernel acknowledges bytes, and a receiver that ends
closes the connection. What it had not read by then is lost, which is why delivery.py goes back after a break.
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence

from sessions_app.siem.errors import DeliveryError, certificate_refused
from sessions_app.siem.models import Destination, Transport
from sessions_app.siem.tls import context_for

CONNECT_SECONDS = 10.0
SEND_SECONDS = 20.0  # for one batch, until the receiver's kernel has all of it
FIRST_LOOK_SECONDS = 0.5  # after the first batch: a receiver that refuses our certificate says so only now
LARGEST_DATAGRAM = 65_507  # bytes: the largest payload of UDP over IPv4


class SyslogConnection:
    """An open TCP or TLS connection to a destination. Raises DeliveryError for everything that goes wrong."""

    def __init__(self, destination: Destination) -> None:
        self._is_new = True
        self._place = destination.place
        try:
            self._socket = _connect(destination)
        except ssl.SSLCertVerificationError as error:
            raise certificate_refused(self._place, error) from None
        except OSError as error:
            raise DeliveryError(f"{self._place} cannot be reached: {_words(error)}.") from None

    def close(self) -> None:
        """Close the connection in order, so that the receiver reads to the end."""
        with contextlib.suppress(OSError):
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.settimeout(1.0)
                self._socket.unwrap()
        self._socket.close()

    def send(self, lines: Sequence[bytes]) -> None:
        """Send messages, and return when the receiver's kernel has them and the connection still stands."""
        self.check()
        until = time.monotonic() + SEND_SECONDS
        try:
            left = memoryview(b"".join(b"%d %b" % (len(line), line) for line in lines))
            while left:
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
                left = left[self._socket.send(left) :]
            while self._unacknowledged():
                if time.monotonic() > until:
                    raise TimeoutError
                self.check(0.002)  # bytes that a dead receiver never acknowledges must not be waited for
        except TimeoutError:
            raise DeliveryError(f"{self._place} took nothing for {SEND_SECONDS:.0f} s.") from None
        except OSError as error:
            raise DeliveryError(f"The connection to {self._place} broke: {_words(error)}.") from None
        self.check(FIRST_LOOK_SECONDS if self._is_new else 0.0)
        self._is_new = False

    def check(self, seconds: float = 0.0) -> None:
        """Raise DeliveryError if the receiver has closed the connection, or does so within `seconds`."""
        until = time.monotonic() + seconds
        try:
            self._socket.setblocking(False)
            while True:
                try:
                    if not self._socket.recv(4096):
                        raise DeliveryError(f"{self._place} closed the connection.")
                except (BlockingIOError, ssl.SSLWantReadError):
                    left = until - time.monotonic()
                    if left <= 0:
                        return
                    poll = select.poll()  # select() takes no descriptor above 1023
                    poll.register(self._socket, select.POLLIN)
                    poll.poll(left * 1000)
        except OSError as error:
            raise DeliveryError(f"The connection to {self._place} broke: {_words(error)}.") from None

    def _unacknowledged(self) -> int:
        """Return how many bytes the receiver's kernel has not acknowledged yet."""
        (count,) = struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
        return int(count)


class DatagramSender:
    """A UDP socket for a destination. Nobody learns what was lost on the way."""

    def __init__(self, destination: Destination) -> None:
        self._place = destination.place
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                destination.host, destination.port, type=socket.SOCK_DGRAM
            )[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.connect(address)
        except OSError as error:
            raise DeliveryError(f"{self._place} cannot be reached: {_words(error)}.") from None

    def close(self) -> None:
        self._socket.close()

    def send(self, lines: Sequence[bytes]) -> None:
        """Send each message in a datagram of its own."""
        try:
            for line in lines:
                self._socket.send(line)
        except OSError as error:
            raise DeliveryError(f"{self._place} takes no datagrams: {_words(error)}.") from None

    def check(self, seconds: float = 0.0) -> None:
        """Do nothing: there is no connection that could be closed."""


def _connect(destination: Destination) -> socket.socket:
    plain = socket.create_connection((destination.host, destination.port), timeout=CONNECT_SECONDS)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if destination.transport != Transport.TLS:
        return plain
    try:
        name = destination.server_name or destination.host
        return context_for(destination).wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def _words(error: OSError) -> str:
    """Return what an error says, without numbers of lines of OpenSSL."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return error.strerror or str(error) or type(error).__name__
