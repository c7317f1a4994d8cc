"""Convert between ASGI, which the server speaks, and WSGI (PEP 3333), which the application speaks."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote_to_bytes

from sessions_app.serving.spool import PIECE

Environment = dict[str, Any]
Application = Callable[[Environment, Any], Iterable[bytes]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Streamed(Protocol):
    """What a WSGI application returns for an answer that it writes piece by piece."""

    def __iter__(self) -> Any: ...

    def close(self) -> None:
        """End the answer, whether it is complete or not."""


class SentFile:
    """The environment's `wsgi.file_wrapper`, which sends a file of this machine without a thread."""

    def __init__(self, file: BinaryIO, size: int = PIECE) -> None:
        self.file = file
        self._size = size

    @property
    def is_local(self) -> bool:
        """Return whether reading the file waits for this machine's disk at most."""
        inner = (
            getattr(self.file, "file", None) or getattr(self.file, "fileobj", None) or self.file
        )  # Django, WhiteNoise
        return isinstance(inner, io.BufferedReader | io.FileIO | io.BytesIO)

    def __iter__(self) -> Any:
        return iter(partial(self.file.read, self._size), b"")

    def close(self) -> None:
        """Close the file and, with it, Django's response."""
        self.file.close()


@dataclass
class Answer:
    """What the application answered: `body` as a whole, or `more` to be written or read."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    more: Streamed | None = None


async def begin(answer: Answer, send: Send) -> None:
    headers = [(name.encode("latin1"), value.strip().encode("latin1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


def environment(scope: Mapping[str, Any], cookie: re.Pattern[bytes]) -> tuple[Environment, int | None, bytes]:
    """Convert an ASGI scope. Return the WSGI environment (PEP 3333), the length of the body, and the cookie's hash.

    The environment has no body yet. The length is None when it is not announced. The hash is that of the session
    cookie, empty without one. Headers with an underscore in their name are left out: WSGI could not tell
    X_Forwarded_For from X-Forwarded-For.
    """
    server, client = scope["server"] or ("", 0), scope["client"] or ("", 0)
    environ: Environment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin1"),
        "QUERY_STRING": scope["query_string"].decode("latin1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": SentFile,
    }
    announced: int | None = 0
    digest = b""
    for name, value in scope["headers"]:
        if b"_" in name:
            continue
        key, text = name.decode("latin1").upper().replace("-", "_"), value.decode("latin1")
        if key == "CONTENT_LENGTH":
            announced = int(text)
        elif key == "TRANSFER_ENCODING":
            announced = None
        elif key == "CONTENT_TYPE":
            environ[key] = text
        else:
            if key == "COOKIE" and (found := cookie.search(value)):
                digest = hashlib.blake2b(found[1], digest_size=16).digest()
            key = f"HTTP_{key}"
            environ[key] = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}" if key in environ else text
    return environ, announced, digest
