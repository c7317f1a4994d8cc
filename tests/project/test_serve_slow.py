"""A slow client costs `serve` a socket and nothing else. Tested with real sockets and a real server."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator

import pytest

from tests.support import programs, slow_clients
from tests.support.slow_clients import FORM, WAYS, Scene, clients, get, is_open, read_all, trickle
from tests.support.waiting import wait_until

MANY = 12  # more than twice the threads


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return slow_clients.make_scene(tmp_path_factory.mktemp("slow") / "var")


@pytest.fixture(scope="module")
def console(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[programs.Running]:
    """Run the console with its default settings, but with little space for downloads."""
    with slow_clients.serving(
        scene.environment(DOWNLOAD_SPOOL_BYTES=str(1024 * 1024)), tmp_path_factory.mktemp("console") / "out"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[programs.Running]:
    """Run the console with short deadlines, behind a proxy, and with little space for downloads."""
    folder = tmp_path_factory.mktemp("impatient")
    shutil.copytree(scene.var, folder / "var")
    environment = scene.environment(
        DJANGO_SETTINGS_MODULE="tests.support.quick_serving",
        VAR_DIR=str(folder / "var"),
        TRUSTED_PROXIES="127.0.0.1/32",
        DOWNLOAD_SPOOL_BYTES=str(1024 * 1024),
        PAGE_REQUESTS_LIMIT="100000",
    )
    with slow_clients.serving(environment, folder / "out") as running:
        yield running


def everybody_is_served(console: programs.Running, scene: Scene) -> None:
    """Check that the load balancer, a person who is logged in, and a stranger get their answers."""
    assert console.get("/healthz") == (200, "ok")
    status, page = console.get("/activity/", cookie=f"sessionid={scene.cookies[-1]}")
    assert status == 200
    assert "Activity" in page
    assert console.get("/accounts/login/")[0] == 200


@pytest.mark.parametrize("way", WAYS)
def test_whoever_sends_slowly_holds_no_thread(console: programs.Running, scene: Scene, way: str) -> None:
    with clients(console.port, MANY, WAYS[way]) as slow:
        everybody_is_served(console, scene)
        if way.startswith("a body") and "go-ahead" not in way:
            assert all(is_open(one) for one in slow)  # nothing had to be closed for it


@pytest.mark.parametrize("path", ["/activity/", "/static/console.css", slow_clients.DOWNLOAD])
def test_whoever_reads_nothing_holds_no_thread(console: programs.Running, scene: Scene, path: str) -> None:
    asks = [get(path, scene.cookies[0]), get(path, scene.cookies[1])]
    with (
        clients(console.port, MANY, asks[0], reads_little=True),
        clients(console.port, MANY, asks[1], reads_little=True),
    ):
        everybody_is_served(console, scene)


def test_the_third_download_of_a_person_is_told_and_others_download(console: programs.Running, scene: Scene) -> None:
    def begins(cookie: str) -> str:
        with clients(console.port, 1, get(slow_clients.DOWNLOAD, cookie)) as [one]:
            return one.recv(65536).decode("latin1")

    first, second = scene.cookies[:2]
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []

        def two_run() -> bool:
            # What tests before this one broke off may take a moment to be over.
            [one] = stack.enter_context(clients(console.port, 1, get(slow_clients.DOWNLOAD, second), reads_little=True))
            if one.recv(64, socket.MSG_PEEK).startswith(b"HTTP/1.1 200 "):
                held.append(one)
            return len(held) == 2

        wait_until(two_run, "two downloads run")
        with clients(console.port, 1, get(slow_clients.DOWNLOAD, second, Connection="close")) as [one]:
            said = read_all(one)
        assert said.startswith("HTTP/1.1 429 ")
        assert "2 of your downloads are running" in said
        wait_until(lambda: begins(first).startswith("HTTP/1.1 200 "), "somebody else downloads")
    wait_until(lambda: begins(second).startswith("HTTP/1.1 200 "), "their places are free again")


def form_of(cookie: str) -> str:
    """Return a POST request of a person who is logged in, without its body of ten bytes."""
    head = FORM.replace("Cookie: ", f"Cookie: sessionid={cookie}; ")
    return f"{head}Connection: close\r\nContent-Length: 10\r\n\r\n"


def test_of_one_address_so_many_bodies_may_be_open_and_the_oldest_makes_room(console: programs.Running) -> None:
    body = WAYS["a body that does not come"]
    with clients(console.port, 20, body) as slow, clients(console.port, 1, body) as [one]:
        said = read_all(slow[0])
        assert is_open(slow[1])
        assert is_open(one)
    assert said.startswith("HTTP/1.1 429 ")
    assert "Too many forms are being sent at the same moment, and this one was the slowest. Nothing was changed" in said
    assert "connection: close" in said.lower()


def test_strangers_who_send_slowly_keep_nobody_of_their_address_from_sending_a_form(
    console: programs.Running, scene: Scene
) -> None:
    cookie = scene.cookies[0]
    assert console.get("/accounts/me/", cookie=f"sessionid={cookie}")[0] == 200  # now it is known whose it is
    body = WAYS["a body that does not come"]
    with clients(console.port, 20, body) as slow, clients(console.port, 1, form_of(cookie)) as [one]:
        console.get("/healthz")
        assert all(is_open(other) for other in slow)  # a person's form takes no place of theirs
        with clients(console.port, 25, body):
            one.sendall(b"x" * 10)
            assert read_all(one).startswith("HTTP/1.1 403 ")  # Django has read it, and missed the token in it
        with clients(console.port, 1, FORM + "Connection: close\r\nContent-Length: 10\r\n\r\n" + "x" * 10) as [login]:
            assert read_all(login).startswith("HTTP/1.1 403 ")


def test_behind_our_proxy_each_client_has_its_own_share(impatient: programs.Running) -> None:
    def body_from(address: str, name: str = "X-Forwarded-For") -> str:
        return FORM + f"{name}: {address}\r\nContent-Length: 1000\r\n\r\nabcdefghij"

    with clients(impatient.port, 20, body_from("198.51.100.1")) as slow:
        with clients(impatient.port, 1, body_from("198.51.100.2")) as [one]:
            assert read_all(one).startswith("HTTP/1.1 408 ")  # it is waited for, and came too slowly
        assert read_all(slow[0]).startswith("HTTP/1.1 408 ")
    with (
        clients(impatient.port, 20, body_from("198.51.100.1")) as slow,
        clients(impatient.port, 1, body_from("198.51.100.1")),
    ):
        assert read_all(slow[0]).startswith("HTTP/1.1 429 ")
    # A name with an underscore says nothing: WSGI would take it for the other, which a proxy sets.
    with (
        clients(impatient.port, 20, body_from("198.51.100.3", "X_Forwarded_For")) as slow,
        clients(impatient.port, 1, body_from("198.51.100.4", "X_Forwarded_For")),
    ):
        assert read_all(slow[0]).startswith("HTTP/1.1 429 ")


def test_of_one_address_the_oldest_socket_that_waits_makes_room(console: programs.Running, scene: Scene) -> None:
    with clients(console.port, 1, "") as [oldest], clients(console.port, 100, ""):
        assert read_all(oldest) == ""
        everybody_is_served(console, scene)


def test_our_own_proxy_may_have_any_number_of_sockets(impatient: programs.Running) -> None:
    with clients(impatient.port, 1, "GET /healthz HTTP/1.1\r\n") as [oldest], clients(impatient.port, 110, ""):
        oldest.sendall(b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert read_all(oldest).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize("way", WAYS)
def test_whoever_sends_nothing_more_is_closed(impatient: programs.Running, way: str) -> None:
    with clients(impatient.port, 1, WAYS[way]) as [one]:
        said = read_all(one)
    if way.startswith("a body"):
        assert "HTTP/1.1 408 Request Timeout" in said
        assert "What you sent came too slowly, and not all of it arrived. Nothing was changed. Send it again." in said
    elif way.startswith("HTTP/2"):
        assert said.startswith("HTTP/1.1 400 ")
    elif way.startswith("a pause"):
        assert said.endswith("ok")
    else:
        assert said == ""


@pytest.mark.parametrize("way", ["a body that does not come", "headers that do not end", "a pause after a request"])
def test_a_byte_now_and_then_is_too_slow_as_well(impatient: programs.Running, way: str) -> None:
    with clients(impatient.port, 1, WAYS[way]) as [one]:
        if way.startswith("a pause"):
            one.recv(65536)
        said = trickle(one, every=0.2)
    assert said.startswith("HTTP/1.1 408 ") if way.startswith("a body") else "HTTP/1.1 2" not in said


def test_a_body_that_is_slow_but_quick_enough_arrives(impatient: programs.Running) -> None:
    with clients(impatient.port, 1, FORM + "Connection: close\r\nContent-Length: 1000\r\n\r\n") as [one]:
        for _ in range(10):
            one.sendall(b"x" * 100)
        assert read_all(one).startswith("HTTP/1.1 403 ")  # Django has read it, and missed the token in it


@pytest.mark.parametrize("how", ["announced", "in chunks"])
def test_a_body_that_is_too_large_is_refused_in_words(console: programs.Running, how: str) -> None:
    size = 3 * 1024 * 1024
    head = f"Content-Length: {size}" if how == "announced" else "Transfer-Encoding: chunked"
    with clients(console.port, 1, f"{FORM}{head}\r\n\r\n") as [one]:
        one.sendall(b"x" * size if how == "announced" else b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size))
        said = read_all(one)
    assert said.startswith("HTTP/1.1 413 ")
    assert "What you sent is larger than 2,621,440 bytes" in said


def test_headers_without_an_end_are_refused(console: programs.Running) -> None:
    with clients(console.port, 1, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ") as [one]:
        one.sendall(b"x" * 70_000)
        said = read_all(one)
    assert said.startswith("HTTP/1.1 431 ")
    assert "The headers of this request are too large. Nothing was changed." in said


def test_a_download_that_is_read_slowly_arrives_whole(console: programs.Running, scene: Scene) -> None:
    """It goes through the file, which is smaller than the download."""
    cookie = scene.cookies[2]
    whole = console.get(slow_clients.DOWNLOAD, cookie=f"sessionid={cookie}")[1]
    ask = get(slow_clients.DOWNLOAD, cookie, Connection="close").replace("HTTP/1.1", "HTTP/1.0")
    with clients(console.port, 1, ask) as [one]:
        assert one.recv(1, socket.MSG_PEEK) != b""
        everybody_is_served(console, scene)
        assert read_all(one).partition("\r\n\r\n")[2].encode("latin1").decode() == whole
    assert whole.count("\r\n") > slow_clients.ENTRIES / 2


def test_a_download_that_nobody_reads_is_broken_off(impatient: programs.Running, scene: Scene) -> None:
    def broken_off() -> int:
        log = "/activity/?activity=broken+off"
        return impatient.get(log, cookie=f"sessionid={scene.cookies[1]}")[1].count("the download was broken off")

    before = broken_off()
    ask = get(slow_clients.DOWNLOAD, scene.cookies[2])
    with clients(impatient.port, 1, ask, reads_little=True) as [one]:
        wait_until(lambda: broken_off() > before, "it is broken off, and logged")
        assert not read_all(one).endswith("0\r\n\r\n")  # nobody takes it for the whole
