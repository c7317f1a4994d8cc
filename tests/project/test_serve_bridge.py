"""What the server answers by itself when the application breaks or is silent, and that its log says so."""

from __future__ import annotations

import asyncio
import errno
import re
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage

from sessions_app.serving import bridge as bridge_module
from sessions_app.serving import refusals
from sessions_app.serving.bridge import Bridge
from sessions_app.serving.connection import EXTENSION
from sessions_app.serving.refusals import HEADINGS
from sessions_app.serving.spool import GaveUp, Spool
from sessions_app.serving.wsgi import Environment
from sessions_app.templatetags.console_tags import head_files
from tests.support import pages
from tests.support.waiting import seconds


class Socket:
    """The socket of a client that stays connected."""

    is_gone = False

    def when_gone(self, call: Any) -> None:
        pass

    def forget(self, call: Any) -> None:
        pass


class Breaking:
    """An answer that is written bit by bit, and breaks before its first."""

    streaming = True

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __iter__(self) -> Iterator[bytes]:
        raise self.error

    def close(self) -> None:
        pass


def make_bridge(application: Any, directory: Path) -> Bridge:
    return Bridge(
        application,
        threads=3,
        largest_body=1000,
        trusted_proxies=(),
        session_cookie="sessionid",
        spool=(1000, directory),
    )


def answer_of(bridge: Bridge, path: str = "/activity/", **headers: str) -> tuple[int, dict[str, str], str]:
    """Return status, headers and text of the answer to a GET request."""
    return asyncio.run(asyncio.wait_for(ask(bridge, path, **headers), seconds(20)))


async def ask(bridge: Bridge, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    scope = {
        "type": "http",
        "method": "GET",
        "raw_path": path.encode(),
        "query_string": b"",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1234),
        "http_version": "1.1",
        "scheme": "http",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "extensions": {EXTENSION: {"connection": Socket()}},
    }
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await bridge(scope, receive, send)
    answered = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message["body"] for message in sent[1:]).decode()


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            503,
            "The disk of the console is full. Nothing was downloaded. Tell an administrator, who makes room on it.\n",
        ),
        (RuntimeError("a fault"), 500, "The download failed before it began. Nothing was downloaded. Try again. "),
    ],
)
def test_a_download_that_breaks_before_its_first_byte_is_told_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, status: int, text: str
) -> None:
    def application(environ: Environment, start_response: Any) -> Breaking:
        start_response("200 OK", [("Content-Type", "text/csv")])
        return Breaking(error)

    answered, headers, said = answer_of(make_bridge(application, tmp_path))
    assert answered == status
    assert said.startswith(text)
    assert ("retry-after" in headers) == (status == 503)
    [line] = [one.getMessage() for one in caplog.records if "before it began" in one.getMessage()]
    assert line.startswith("The download of /activity/ failed before it began, and was refused: ")
    assert str(error) in line


FULL = "The disk of the console is full. Nothing was downloaded. Tell an administrator, who makes room on it."


def full_disk(environ: Environment, start_response: Any) -> Breaking:
    start_response("200 OK", [("Content-Type", "text/csv")])
    return Breaking(OSError(errno.ENOSPC, "No space left on device"))


def test_a_browser_gets_what_the_server_refuses_as_a_page_with_the_headers_of_a_page(tmp_path: Path) -> None:
    cookies = "sessionid=abc; theme=dark"
    status, headers, said = answer_of(make_bridge(full_disk, tmp_path), accept="text/html,*/*;q=0.8", cookie=cookies)
    page = pages.parsed(said)
    assert (status, headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert pages.attribute(page.find("html"), "data-theme") == "dark"
    assert pages.texts(page, ".//main//h1") == ["The console cannot answer this now"]
    assert FULL in pages.texts(page, ".//main//p")
    assert len(page.findall(".//nav//a")) == 7
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["referrer-policy"]) == ("DENY", "same-origin")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["retry-after"] == "60"


@pytest.mark.parametrize("forwarded", ["https", "http"])
def test_what_the_server_refuses_over_https_has_hsts_as_each_page_has(
    tmp_path: Path, settings: Any, forwarded: str
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_HSTS_SECONDS = 3600
    refusals.page_headers.cache_clear()
    try:
        headers = answer_of(make_bridge(full_disk, tmp_path), accept="text/html", x_forwarded_proto=forwarded)[1]
    finally:
        refusals.page_headers.cache_clear()
    assert headers.get("strict-transport-security", "") == ("max-age=3600" if forwarded == "https" else "")
    assert headers["x-content-type-options"] == "nosniff"


def test_a_refusal_whose_page_cannot_be_drawn_is_told_in_plain_text_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(*args: Any, **kwargs: Any) -> str:
        raise ValueError("Missing staticfiles manifest entry for 'console.css'")

    refusals.page.cache_clear()
    head_files.cache_clear()
    monkeypatch.setattr(staticfiles_storage, "url", missing)
    status, headers, said = answer_of(make_bridge(full_disk, tmp_path), accept="text/html", cookie="sessionid=abc")
    assert (status, headers["content-type"], said) == (503, "text/plain; charset=utf-8", f"{FULL}\n")
    assert (headers["retry-after"], headers["x-content-type-options"]) == ("60", "nosniff")
    [line] = [one for one in caplog.records if "cannot be drawn" in one.getMessage()]
    assert "Missing staticfiles manifest entry" in str(line.exc_info)
    monkeypatch.undo()
    headers = answer_of(make_bridge(full_disk, tmp_path), accept="text/html", cookie="sessionid=abc")[1]
    assert headers["content-type"] == "text/html; charset=utf-8"  # nobody kept that it failed


def test_a_stranger_sees_no_links_in_what_the_server_refuses(tmp_path: Path) -> None:
    said = answer_of(make_bridge(full_disk, tmp_path), accept="text/html")[2]
    assert pages.parsed(said).findall(".//nav") == []


def test_htmx_gets_what_the_server_refuses_as_the_part_that_its_script_reads_aloud(tmp_path: Path) -> None:
    said = answer_of(make_bridge(full_disk, tmp_path), accept="*/*", hx_request="true")[2]
    assert FULL in pages.texts(pages.parsed(said), "./div[@class='problem']/p")


def test_every_status_that_the_server_refuses_with_has_its_heading() -> None:
    source = "".join(path.read_text() for path in Path(bridge_module.__file__).parent.glob("*.py"))
    named = {HTTPStatus[name] for name in re.findall(r"HTTPStatus\.([A-Z_]+),", source)}
    assert named == set(HEADINGS)


def test_a_page_whose_thread_hangs_is_answered_in_words_and_the_thread_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on = threading.Event()

    def application(environ: Environment, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/hangs/":
            goes_on.wait(20)
        start_response("200 OK", [])
        return [b"ok"]

    async def scene() -> None:
        bridge = make_bridge(application, tmp_path)
        with monkeypatch.context() as impatient:
            impatient.setattr(bridge_module, "ANSWERED_WITHIN", 0.1)
            status, headers, said = await ask(bridge, "/hangs/")
        assert (status, headers["retry-after"]) == (503, "60")
        assert said.startswith("The console did not answer within 0 seconds; its database may hang.")
        assert "No answer to /hangs/ within 0 seconds" in [one.getMessage() for one in caplog.records]
        goes_on.set()
        assert await ask(bridge, "/") == (200, {"content-length": "2"}, "ok")  # the only thread of strangers

    asyncio.run(asyncio.wait_for(scene(), seconds(20)))


def test_a_writer_with_nothing_to_send_yet_learns_that_nobody_waits(tmp_path: Path) -> None:
    async def wait_and_go() -> None:
        spool = Spool(1000, tmp_path)
        spool.put(b"")
        waiting = asyncio.ensure_future(spool.get())
        await asyncio.sleep(0)
        spool.put(b"")
        assert not waiting.done()  # an answer begins with the first bytes
        spool.give_up()
        with pytest.raises(GaveUp):
            spool.put(b"")
        with pytest.raises(GaveUp):
            await waiting

    asyncio.run(wait_and_go())
