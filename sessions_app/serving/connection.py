"""The socket of one client: uvicorn's protocol, with a deadline for everything that a client may do slowly.

Of the library's protocol this uses the methods of asyncio.Protocol and the parser's callbacks, and reads `cycle` (the
request that is being answered) and `flow.write_paused`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sessions_app.logins.client_ip import is_trusted
from sessions_app.logins.throttle import network
from sessions_app.serving.open_connections import OpenConnections

HEAD_WITHIN = 10.0  # seconds from its first byte (for the first request: from the connection) to the end of its headers
LARGEST_HEAD = 64 * 1024  # bytes
IDLE_SECONDS = 15.0  # seconds between two requests of one connection
# A reader must take 48 KB (what the loop keeps between its two marks) in each such time: 1.6 KB a second.
READ_WITHIN = 30.0  # seconds
TOO_LARGE_TEXT = b"The headers of this request are too large. Nothing was changed. Delete the cookies of this site.\n"
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n%b" % (len(TOO_LARGE_TEXT), TOO_LARGE_TEXT)
)
EXTENSION = "sessionadmin.connection"  # where the application finds its connection in the scope


class Connection(HttpToolsProtocol):
    """The socket of one client. `open_connections` and `trusted_proxies` are set once for the process."""

    open_connections: ClassVar[OpenConnections]
    trusted_proxies: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.network = ""
        self.is_gone = False
        self._is_in_head = True
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None
        self._when_gone: list[Callable[[], None]] = []

    @property
    def is_waiting(self) -> bool:
        """Return whether the server waits for the client (see OpenConnections)."""
        is_being_answered = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        return not is_being_answered or self.flow.write_paused

    def when_gone(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the client is gone, or at once when it is gone already."""
        if self.is_gone:
            call()
        else:
            self._when_gone.append(call)

    def forget(self, call: Callable[[], None]) -> None:
        """Do not call `call` when the client is gone."""
        if call in self._when_gone:
            self._when_gone.remove(call)

    def drop(self) -> None:
        """Close the socket at once, whatever waits to be sent."""
        self.transport.abort()

    def end_by_closing(self) -> None:
        """Send an answer of unknown length without chunks, which HTTP/1.0 does not know.

        The library would send chunks all the same. To be called before the answer begins.
        """
        self.cycle.chunked_encoding = False
        self.cycle.expected_content_length = sys.maxsize

    def that_was_all(self) -> None:
        """End an answer of unknown length. To be called before its last, empty part."""
        self.cycle.expected_content_length = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the library's
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        self.network = "" if is_trusted(peer, self.trusted_proxies) else network(peer)
        self._expect(HEAD_WITHIN)
        self.open_connections.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone = True
        self.open_connections.left(self)
        self._expect(None)
        self._end_of_reading()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        calls, self._when_gone = self._when_gone, []
        for call in calls:
            call()

    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            if self._deadline is None:
                self._expect(HEAD_WITHIN)
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader = self.loop.call_later(READ_WITHIN, self.drop)

    def resume_writing(self) -> None:
        self._end_of_reading()
        super().resume_writing()

    # Callbacks of the parser and of the library

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._head_bytes = 0
        self._expect(None)
        self.scope["extensions"] = {EXTENSION: {"connection": self}}
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_in_head = True  # the next bytes are another request

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            # The end of the answer still waits to be read, and nothing else watches that any more.
            self._expect(READ_WITHIN)
        elif self.cycle.more_body:
            # Answered before all of the request had come. Its rest could not be told from another request.
            self.transport.close()
            self._expect(READ_WITHIN)

    def timeout_keep_alive_handler(self) -> None:
        """Close after the pause between requests, at once if the last answer was not even read."""
        if self.transport.get_write_buffer_size():
            self.drop()
        else:
            super().timeout_keep_alive_handler()

    def _expect(self, seconds: float | None) -> None:
        """Drop the connection in so many seconds; None cancels that."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None or self.is_gone else self.loop.call_later(seconds, self.drop)

    def _end_of_reading(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
