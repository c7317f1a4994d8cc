"""Settings of the gateway (docs/gateway.md). base.py takes them over."""

from sessionadmin.environment import Environment

env = Environment()

# Where it listens for SSH clients and for terminals in the browser.
GATEWAY_HOST = env.str("GATEWAY_HOST", default="127.0.0.1")
GATEWAY_PORT = env.int("GATEWAY_PORT", default=4422)
GATEWAY_TERMINAL_PORT = env.int("GATEWAY_TERMINAL_PORT", default=4423)
# Where browsers reach it: empty is /terminal/ of the console itself, which the proxy hands to GATEWAY_TERMINAL_PORT.
GATEWAY_TERMINAL_URL = env.str("GATEWAY_TERMINAL_URL", default="")
# What people type after the @ of their SSH client, host or host:port; empty is the console's host and GATEWAY_PORT.
GATEWAY_SSH_ADDRESS = env.str("GATEWAY_SSH_ADDRESS", default="")
GATEWAY_ORIGINS = env.list("GATEWAY_ORIGINS", default=[])  # pages that may open a terminal; empty: the console's own
# The first that a client knows is used; AES-GCM costs half of the others.
GATEWAY_CIPHERS = env.list(
    "GATEWAY_CIPHERS",
    default=[
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes256-ctr",
        "chacha20-poly1305@openssh.com",
    ],
)
GATEWAY_CONNECTIONS_PER_USER = env.int("GATEWAY_CONNECTIONS_PER_USER", default=100)
GATEWAY_UNAUTHENTICATED = env.int("GATEWAY_UNAUTHENTICATED", default=200)  # clients that have not proved who they are
GATEWAY_DRAIN_SECONDS = env.int("GATEWAY_DRAIN_SECONDS", default=30)
