"""Answer the requests that uvicorn receives with our WSGI application, which runs in threads.

The body is read first. Then a thread is taken, and given back as soon as the answer is there. An answer that the
application writes piece by piece gets a thread for downloads and a spool. A file is read by the event loop.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.db import connections

from activity.outage import Outage
from activity.text import plain
from sessions_app.logins.client_ip import client_ip
from sessions_app.logins.environ import PERSON
from sessions_app.logins.throttle import network
from sessions_app.serving.bodies import Bodies, ClientGone, Receive, Refusal
from sessions_app.serving.connection import EXTENSION, Connection
from sessions_app.serving.fair_queue import STRANGERS, CookieOwners, FairQueue
from sessions_app.serving.refusals import refuse
from sessions_app.serving.spool import PIECE, GaveUp, Spool
from sessions_app.serving.wsgi import (
    Answer,
    Application,
    Environment,
    Send,
    SentFile,
    Streamed,
    begin,
    environment,
)

HEALTH = "/healthz"  # answered in a thread of its own
ANSWERED_WITHIN = 60.0  # seconds after which a person is told that the console hangs; the thread stays taken
DOWNLOAD_THREADS = 4  # answers that are being written piece by piece
OPEN_DOWNLOADS = 16  # those, and answers that are written and still being read

logger = logging.getLogger(__name__)


class Bridge:
    """The ASGI application of one web process, which runs our WSGI application in threads."""

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        largest_body: int,
        trusted_proxies: tuple[str, ...],
        session_cookie: str,
        spool: tuple[int, Path],
    ) -> None:
        """Set up the threads and limits of one web process.

        `largest_body` is in bytes. `spool` is how many bytes of one download may wait for its reader in a file, and the
        directory for such files.
        """
        self._application = application
        self._trusted = trusted_proxies
        self._cookie = re.compile(rb"(?:^|;)\s*" + re.escape(session_cookie.encode()) + rb"=([^;]*)")
        self._spool = spool
        self._bodies = Bodies(largest_body)
        self._queue = FairQueue(threads)
        self._owners = CookieOwners()
        self._pages = ThreadPoolExecutor(threads, "page")
        self._health = ThreadPoolExecutor(1, "health")
        self._downloads = ThreadPoolExecutor(DOWNLOAD_THREADS, "download")
        self._open_downloads = 0

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Read a request whole, ask the console in a thread, and send its answer or the refusal."""
        if scope["type"] != "http":
            return
        connection: Connection = scope["extensions"][EXTENSION]["connection"]
        environ, announced, cookie = environment(scope, self._cookie)
        address = network(client_ip(environ, self._trusted))
        person = self._owners.of(cookie)
        try:
            body = await self._bodies.read(receive, announced, address, person)
            try:
                environ["wsgi.input"] = io.BytesIO(body.data)
                environ["CONTENT_LENGTH"] = str(len(body.data))
                answer = await self._ask(environ, cookie, address, connection)
            finally:
                self._bodies.done(body, person)
            await self._send(answer, environ, connection, send)
        except Refusal as refusal:
            await refuse(refusal, environ, send, has_login=bool(cookie))
        except ClientGone:
            return

    async def _ask(self, environ: Environment, cookie: bytes, address: str, connection: Connection) -> Answer:
        loop = asyncio.get_running_loop()
        if environ["PATH_INFO"] == HEALTH:
            return await loop.run_in_executor(self._health, self._call, environ)
        person = self._owners.of(cookie)
        is_form = environ["REQUEST_METHOD"] not in ("GET", "HEAD")
        await self._queue.enter(person, person or f"address {address}", is_form=is_form)
        if connection.is_gone:
            self._queue.leave(person, is_form=is_form)
            raise ClientGone
        asked = loop.run_in_executor(self._pages, self._call, environ)
        asked.add_done_callback(lambda _: self._queue.leave(person, is_form=is_form))
        if not (await asyncio.wait([asked], timeout=ANSWERED_WITHIN))[0]:
            asked.add_done_callback(self._throw_away)
            logger.error("No answer to %s within %.0f seconds", plain(environ["PATH_INFO"], 200), ANSWERED_WITHIN)
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"The console did not answer within {ANSWERED_WITHIN:.0f} seconds; its database may hang. What you "
                "asked for may still be done: look at what there is before you try again. Tell an administrator.",
                retry_after=60,
            )
        answer = asked.result()
        self._owners.learn(cookie, environ.get(PERSON, STRANGERS))
        return answer

    def _throw_away(self, asked: asyncio.Future[Answer]) -> None:
        """Close an answer that nobody waits for any more, in a thread, because this may use the database."""
        if asked.cancelled():
            return
        if (error := asked.exception()) is not None:
            logger.error("What was not answered in time failed", exc_info=error)
        elif (more := asked.result().more) is not None:
            self._pages.submit(more.close)

    def _call(self, environ: Environment) -> Answer:
        """Ask the application. To be run in a thread."""
        begun: list[tuple[int, list[tuple[str, str]]]] = []
        written: list[bytes] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], None]:
            begun[:] = [(int(status[:3]), headers)]
            return written.append

        result = self._application(environ, start_response)
        status, headers = begun[0]
        if environ["REQUEST_METHOD"] != "HEAD" and (
            isinstance(result, SentFile) or getattr(result, "streaming", False)
        ):
            return Answer(status, headers, b"".join(written), result)  # type: ignore[arg-type]  # close() is WSGI's
        try:
            body = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"".join([*written, *result])
        finally:
            if (close := getattr(result, "close", None)) is not None:
                close()
        return Answer(status, headers, body)

    async def _send(self, answer: Answer, environ: Environment, connection: Connection, send: Send) -> None:
        if answer.more is None:
            if not _has_length(answer) and environ["REQUEST_METHOD"] != "HEAD" and answer.status not in (204, 304):
                answer.headers.append(("Content-Length", str(len(answer.body))))
            await begin(answer, send)
            # In parts, so that a slow reader has the full time for each part.
            for start in range(0, len(answer.body) - PIECE, PIECE):
                await send(
                    {"type": "http.response.body", "body": answer.body[start : start + PIECE], "more_body": True}
                )
            rest = answer.body[-(len(answer.body) % PIECE or PIECE) :] if answer.body else b""
            await send({"type": "http.response.body", "body": rest})
        elif isinstance(answer.more, SentFile) and answer.more.is_local:
            await self._send_file(answer, answer.more, connection, send)
        else:
            await self._send_download(answer, answer.more, connection, send, environ)

    async def _send_file(self, answer: Answer, sent: SentFile, connection: Connection, send: Send) -> None:
        try:
            await begin(answer, send)
            while not connection.is_gone and (piece := sent.file.read(PIECE)):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await asyncio.get_running_loop().run_in_executor(self._pages, sent.close)

    async def _send_download(
        self, answer: Answer, written: Streamed, connection: Connection, send: Send, environ: Environment
    ) -> None:
        loop = asyncio.get_running_loop()
        is_old = environ["SERVER_PROTOCOL"] == "HTTP/1.0" and not _has_length(answer)
        if self._open_downloads >= OPEN_DOWNLOADS:
            await loop.run_in_executor(self._pages, written.close)
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{OPEN_DOWNLOADS} downloads are running, which is as many as there may be. Nothing was downloaded. "
                "Try again when one of them is over.",
                retry_after=30,
            )
        self._open_downloads += 1
        spool = Spool(*self._spool)
        connection.when_gone(spool.give_up)
        writing = loop.run_in_executor(self._downloads, write, written, spool)
        has_begun = False
        try:
            # Before the answer begins, so that an immediate failure becomes an error and no broken file.
            piece = await spool.get()
            has_begun = True
            if is_old:
                connection.end_by_closing()
            await begin(answer, send)
            while piece is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await spool.get()
            if is_old:
                connection.that_was_all()
            await send({"type": "http.response.body", "body": b""})
        except GaveUp:
            if not (has_begun or connection.is_gone):
                raise failed_at_once(spool.failure, environ["PATH_INFO"]) from None
            connection.drop()  # the client must not take what it has for the whole
        finally:
            spool.give_up()
            connection.forget(spool.give_up)
            self._open_downloads -= 1
            if await writing:
                await loop.run_in_executor(self._pages, written.close)
            spool.close()


def _has_length(answer: Answer) -> bool:
    return any(name.lower() == "content-length" for name, _ in answer.headers)


def failed_at_once(error: Exception | None, path: str) -> Refusal:
    """Log that a download failed before its first byte. Return the refusal to answer with."""
    outage = Outage.of(error)
    why = f"{type(error).__name__}: {error}" if error is not None else "its writer gave up"
    logger.error("The download of %s failed before it began, and was refused: %s", plain(path, 200), plain(why, 300))
    if outage is not None:
        return Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{outage.heading}. Nothing was downloaded. {outage.remedy}",
            retry_after=outage.retry_after,
        )
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The download failed before it began. Nothing was downloaded. Try again. If it lasts, tell an "
        "administrator, who finds the reason in the log of the web server.",
    )


def write(written: Streamed, spool: Spool) -> bool:
    """Write the whole answer into the spool. To be run in a thread.

    Return False when the download was broken off. The answer is then closed here, by the thread whose database
    connection it uses.
    """
    is_whole = False
    try:
        for piece in written:
            spool.put(piece)
        is_whole = True
    except GaveUp:
        logger.info("A download was broken off: its reader is gone, or too slow")
    except Exception as error:
        # The application may raise anything while it writes. The client sees a connection that breaks.
        spool.failure = error
        logger.exception("A download failed")
    finally:
        if is_whole:
            spool.end()
        else:
            written.close()
            spool.give_up()
        connections.close_all()  # downloads are rare, and Django's signals do not reach this thread
    return is_whole
