"""The websocket server for terminals: /terminal/ on the gateway's own port, behind the same proxy as the pages.

A page must send its ticket within seconds. The secret is in that first message and in no address. The origin of the
page is checked before, and the ticket (gateway/flows/ticket.py) after that. The rest is the same relay as for SSH
clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import logging
from collections.abc import Mapping
from urllib.parse import urlsplit
from weakref import WeakSet

from django.conf import settings
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.datastructures import MultipleValuesError
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.http11 import Request, Response

from activity.text import plain
from sessions_app.errors import Refused
from sessions_app.gateway import store, terminal_login
from sessions_app.gateway.browser_channel import BadMessage, BrowserChannel, number, read_object, size_of
from sessions_app.gateway.downstream import AccessRefused, Terminal, message_for_person
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.opening import open_relay
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.unauthenticated_sockets import UnauthenticatedSockets
from sessions_app.logins.client_ip import client_ip

PATH = "/terminal/"
HELLO_SECONDS = 5.0  # seconds from the handshake to the first message
RESUME_SECONDS = 30.0  # seconds a terminal waits for its page to come back
LARGEST_MESSAGE = 1024 * 1024  # bytes; pages send what is pasted in smaller parts
PING = 20.0  # seconds; a socket that does not answer for as long is gone
TERMINAL = "xterm-256color"
NOT_OURS = (
    "The gateway opens no terminals for pages from {}. An administrator has to name that address in GATEWAY_ORIGINS, "
    "or to let the proxy pass on the Host header."
)
REFUSED, BAD, FULL = 4001, 4002, 1013  # codes of a close; with the first comes a message that says why

logger = logging.getLogger(__name__)
# Port scanners fail the handshake all the time, which is no error. _attend() logs what handlers raise.
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.setLevel(logging.CRITICAL)


class Terminals:
    """The websocket server of one gateway process, made by serve()."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._channels: dict[int, tuple[BrowserChannel, AuthenticatedClient]] = {}  # by connection id
        self._unauthenticated = UnauthenticatedSockets()
        self._foreign: WeakSet[ServerConnection] = WeakSet()  # of pages that may open no terminal
        self._server: Server | None = None

    async def listen(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Begin to listen. Raises OSError when the address is taken."""
        self._server = await listen(
            self._attend,
            host,
            port,
            create_connection=self._unauthenticated.connection(),
            process_request=self._check,
            compression=None,  # a terminal's bytes are few, and what is typed must not show in their length
            open_timeout=HELLO_SECONDS,
            close_timeout=1.0,
            ping_interval=PING,
            ping_timeout=PING,
            max_size=LARGEST_MESSAGE,
            max_queue=4,
            server_header=None,
            logger=_quiet,
            reuse_port=reuse_port or None,
        )

    @property
    def port(self) -> int:
        """Return the port, which differs from the one asked for when that was 0."""
        assert self._server is not None  # noqa: S101 - listen() came before
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def close(self) -> None:
        """Accept no new pages. The registry ends those that are connected."""
        if self._server is not None:
            self._server.close(close_connections=False)

    async def _check(self, socket: ServerConnection, request: Request) -> Response | None:
        """Check, before the handshake, the path, the origin of the page, and whether the gateway is stopping."""
        if request.path.partition("?")[0] != PATH:
            return socket.respond(http.HTTPStatus.NOT_FOUND, "There is nothing here.\n")
        try:
            origin, host = request.headers.get("Origin", ""), request.headers.get("Host", "")
        except MultipleValuesError:
            origin, host = "", ""
        if not is_ours(origin, host):
            logger.warning("A websocket from another origin was refused: %s", plain(origin, 200) or "none")
            if not origin.startswith(("http://", "https://")):
                return socket.respond(http.HTTPStatus.FORBIDDEN, "Terminals open from the console's own pages only.\n")
            # A page cannot read why a handshake failed: it gets a socket that says so, and nothing else.
            self._foreign.add(socket)
        self._unauthenticated.is_from(socket, address_of(socket))
        if self._registry.is_draining:
            return socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "Try again in a moment.\n")
        return None

    async def _attend(self, socket: ServerConnection) -> None:
        try:
            await self._serve(socket)
        except (Refused, AccessRefused) as refusal:
            await _farewell(socket, REFUSED, str(refusal))
        except (BadMessage, TimeoutError) as problem:
            logger.info("A websocket was closed: %s", problem or "no ticket in time")
            await _farewell(socket, BAD, "")
        except ConnectionClosed:
            logger.debug("A websocket went before it had a terminal")
        except Exception as error:
            logger.exception("A terminal in a browser")
            await _farewell(socket, REFUSED, message_for_person(error))

    async def _serve(self, socket: ServerConnection) -> None:
        """Serve one socket from its ticket to its end.

        Raises Refused, AccessRefused, BadMessage, TimeoutError, ConnectionClosed.
        """
        if socket in self._foreign:
            raise Refused(NOT_OURS.format(plain(origin_of(socket), 200)))
        address = address_of(socket)
        async with asyncio.timeout(HELLO_SECONDS):
            hello = read_object(await socket.recv())
        secret = hello.get("ticket")
        if not isinstance(secret, str) or not secret.isascii() or len(secret) > 200:
            raise BadMessage("No ticket.")
        terminal = Terminal(TERMINAL, size_of(hello))
        login = await store.call(terminal_login.open_terminal, secret, address)
        self._unauthenticated.remove(socket)
        page, position = self._resumed(login, hello), None
        if page is not None:
            position = number(hello, "position")
        else:
            page = BrowserChannel()
            page.relay = await open_relay(self._registry, login, page, terminal)
            self._channels[page.relay.connection_id] = (page, login)
        await self._serve_channel(page, socket, position)

    def _resumed(self, login: AuthenticatedClient, hello: Mapping[str, object]) -> BrowserChannel | None:
        """Return the channel of a page that comes back, if person, session and browser are the same."""
        wanted = hello.get("resume")
        page, before = self._channels.get(wanted, (None, None)) if isinstance(wanted, int) else (None, None)
        if page is None or before is None:
            return None
        is_same = (before.user_id, before.session_id) == (login.user_id, login.session_id)
        return page if is_same and before.login_session_id == login.login_session_id else None

    async def _serve_channel(self, page: BrowserChannel, socket: ServerConnection, position: int | None) -> None:
        """Serve the page. When its socket breaks, keep the terminal for a while."""
        relay = page.relay
        assert relay is not None  # noqa: S101 - _serve() opened it
        is_over = True
        try:
            is_over = await page.attend(socket, position=position)
        finally:
            if is_over:
                self._channels.pop(relay.connection_id, None)
                relay.client_gone()
            elif page.socket is None:
                asyncio.get_running_loop().call_later(RESUME_SECONDS, self._give_up, page, relay.connection_id)
        await socket.close(1000)

    def _give_up(self, page: BrowserChannel, connection_id: int) -> None:
        if page.socket is None and page.relay is not None:
            self._channels.pop(connection_id, None)
            page.relay.client_gone()


async def serve(registry: Registry, host: str, port: int, *, reuse_port: bool = False) -> Terminals:
    """Begin to listen for pages. Raises OSError."""
    terminals = Terminals(registry)
    await terminals.listen(host, port, reuse_port=reuse_port)
    return terminals


def is_ours(origin: str, host: str) -> bool:
    """Return whether a page from `origin` may open terminals.

    It must come from the host that is asked, or from one of GATEWAY_ORIGINS and CSRF_TRUSTED_ORIGINS. A proxy may use
    TLS where we do not, so the scheme does not count for the first.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:  # http://[
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    return origin in (*settings.GATEWAY_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS) or parts.netloc.lower() == host.lower()


def origin_of(socket: ServerConnection) -> str:
    """Return where the page comes from, as its browser says."""
    return socket.request.headers.get("Origin", "") if socket.request is not None else ""


def address_of(socket: ServerConnection) -> str:
    """Return the browser's address, by the same rule behind our own proxies as for pages."""
    peer = socket.remote_address
    forwarded = socket.request.headers.get_all("X-Forwarded-For") if socket.request is not None else []
    meta = {"REMOTE_ADDR": peer[0] if peer else "", "HTTP_X_FORWARDED_FOR": ", ".join(forwarded)}
    return client_ip(meta, settings.TRUSTED_PROXIES)


async def _farewell(socket: ServerConnection, code: int, reason: str) -> None:
    with contextlib.suppress(WebSocketException, OSError):
        if reason:
            await socket.send(json.dumps({"type": "refused", "reason": plain(reason, 500)}))
        await socket.close(code)
