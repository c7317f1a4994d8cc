"""Where SSH clients come in: the port, and what each connection may agree on before anybody is known."""

from __future__ import annotations

import asyncssh
from django.conf import settings

from sessions_app.gateway import algorithms, openssh
from sessions_app.gateway.connection_limits import ConnectionLimits
from sessions_app.gateway.server import GatewayServer
from sessions_app.gateway.upstream import KEEPALIVE_SECONDS, KEEPALIVE_TIMES, PACKET, WINDOW

LOGIN_SECONDS = 20.0


async def listen(limits: ConnectionLimits, key: asyncssh.SSHKey, host: str, port: int) -> asyncssh.SSHAcceptor:
    """Accept SSH clients at `host`:`port`, which several gateways of one machine share. Raises OSError."""
    return await asyncssh.create_server(
        lambda: GatewayServer(limits),
        host,
        port,
        server_host_keys=[key],
        reuse_port=True,
        backlog=512,
        encoding=None,
        window=WINDOW,
        max_pktsize=PACKET,
        line_editor=False,
        encryption_algs=list(settings.GATEWAY_CIPHERS),
        kex_algs=algorithms.KEX,
        mac_algs=algorithms.MACS,
        signature_algs=algorithms.SIGNATURES,
        compression_algs=["none"],
        login_timeout=LOGIN_SECONDS,
        keepalive_interval=KEEPALIVE_SECONDS,
        keepalive_count_max=KEEPALIVE_TIMES,
        agent_forwarding=False,
        x11_forwarding=False,
        allow_scp=False,
        gss_host=None,
        host_based_auth=False,
        config=None,
        server_version=openssh.VERSION,
    )
