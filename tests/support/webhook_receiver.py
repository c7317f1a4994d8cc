"""An HTTPS server that takes webhooks, with a certificate of the tests' authority and an answer that a test chooses."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.certificates import authority

NAME = "localhost"
Handler = http.server.BaseHTTPRequestHandler


@dataclass
class Received:
    """One request: its headers in lower case, and its body."""

    headers: dict[str, str]
    body: bytes


def success(handler: Handler) -> None:
    """Answer as a receiver that has taken the message."""
    handler.send_response(204)
    handler.end_headers()


@dataclass
class WebhookReceiver:
    """What a running receiver has got. `answer` writes the answer to each request."""

    port: int = 0
    answer: Callable[[Handler], None] = success
    requests: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}/hook?x=1"


@contextlib.contextmanager
def webhook_receiver(folder: Path) -> Iterator[WebhookReceiver]:
    """Start a receiver on a free port of this machine, and stop it after the block."""
    receiver = WebhookReceiver()

    class Answering(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.requests.append(Received(headers, body))
            with contextlib.suppress(OSError):
                receiver.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority().pair(NAME).write(folder, "webhook"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
