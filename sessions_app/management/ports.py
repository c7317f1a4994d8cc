"""Refuses ports that are in use. It imports no models, since `make run` asks before it sets up Django."""

import socket

from django.conf import settings
from django.core.management.base import CommandError


def refuse_port_in_use(host: str, port: int) -> None:
    """Raise CommandError when `host`:`port` cannot be listened on.

    The server listens with SO_REUSEPORT, which would let two consoles share one port without an error.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"Cannot listen on {host} port {port}: {error}. Nothing was started. "
            f"Stop what uses the port, or choose another: `make run PORT={port + 1}` or `serve --port {port + 1}`."
        ) from error


def gateway_port_in_use() -> str:
    """Return why no gateway can be started here; empty when one can.

    Like two consoles, two gateways could share a port without an error.
    """
    for port in (settings.GATEWAY_PORT, settings.GATEWAY_TERMINAL_PORT):
        try:
            refuse_port_in_use(settings.GATEWAY_HOST, port)
        except CommandError:
            return (
                f"No gateway was started: port {port} is in use. "
                "Stop what uses it, or set GATEWAY_PORT and GATEWAY_TERMINAL_PORT."
            )
    return ""
