"""Runs a server in place of those that offer GeoIP databases, and makes small databases for it."""

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import maxminddb
from mmdb_writer import MMDBWriter
from netaddr import IPSet

MAXMIND_PATH = "/geoip/databases/GeoLite2-City/download?suffix=tar.gz"


@dataclass
class Answer:
    """What the stand-in for the download server says; `announced` is the Content-Length if not the true one."""

    body: bytes = b""
    status: int = 200
    announced: int | None = None


@dataclass
class DownloadServer:
    """A stand-in for the vendors' servers on a free port."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def running_server() -> Iterator[DownloadServer]:
    state = DownloadServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            state.authorizations.append(self.headers["Authorization"])
            answer = state.answers.get(self.path, Answer(b"nothing here", 404))
            self.send_response(answer.status)
            length = len(answer.body) if answer.announced is None else answer.announced
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{httpd.server_port}"
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def database(
    city: str = "Downloaded", database_type: str = "DBIP-City-Lite", built_at: datetime | None = None
) -> bytes:
    """Return the bytes of a small database that knows 203.0.113.0/24."""

    class Writer(MMDBWriter):
        def _build_meta(self) -> dict[str, Any]:
            meta: dict[str, Any] = super()._build_meta()
            return meta if built_at is None else {**meta, "build_epoch": int(built_at.timestamp())}

    writer = Writer(ip_version=6, ipv4_compatible=True, database_type=database_type, description="", languages=["en"])
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"city": {"names": {"en": city}}})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "made.mmdb"
        writer.to_db_file(str(path))
        return path.read_bytes()


def tar_gz(content: bytes, name: str = "GeoLite2-City_20261120/GeoLite2-City.mmdb") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member, body in (("GeoLite2-City_20261120/LICENSE.txt", b"licence"), (name, content)):
            info = tarfile.TarInfo(member)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return packed.getvalue()


def dbip_path(month: date) -> str:
    return f"/free/dbip-city-lite-{month:%Y-%m}.mmdb.gz"


def today() -> date:
    return datetime.now(UTC).date()


def offer_maxmind(server: DownloadServer, archive: bytes, checksum: str | None = None) -> None:
    server.answers[MAXMIND_PATH] = Answer(archive)
    checksum = checksum or hashlib.sha256(archive).hexdigest()
    server.answers[f"{MAXMIND_PATH}.sha256"] = Answer(f"{checksum}  GeoLite2-City_20261120.tar.gz\n".encode())


def city_in(path: Path) -> str:
    with maxminddb.open_database(path) as reader:
        record: Any = reader.get("203.0.113.7")
    return str(record["city"]["names"]["en"])


def offer_dbip(server: DownloadServer, content: bytes) -> None:
    """Offer `content` as this month's DB-IP City Lite."""
    server.answers[dbip_path(today())] = Answer(gzip.compress(content))
