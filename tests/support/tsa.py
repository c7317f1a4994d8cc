"""A time-stamp authority for tests: `openssl ts` behind a small HTTP server of this machine."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CONFIGURATION = """
[tsa]
default_tsa = ours
[ours]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


@dataclass
class TimestampAuthority:
    """A running authority. `alter` may change a query before it is answered, and `spoil` the answer."""

    folder: Path
    port: int = 0
    status: int = 200
    alter: Callable[[bytes], bytes] = lambda query: query
    spoil: Callable[[bytes], bytes] = lambda answer: answer
    queries: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def root(self) -> Path:
        """The file with the certificate of its root."""
        return self.folder / "root.pem"

    def answer(self, query: bytes) -> bytes:
        """Return what `openssl ts` answers."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            asked, answered = Path(scratch, "query"), Path(scratch, "answer")
            asked.write_bytes(self.alter(query))
            settings = str(self.folder / "openssl.cnf")
            command = ["openssl", "ts", "-reply", "-config", settings, "-queryfile", str(asked), "-out", str(answered)]
            subprocess.run(command, check=True, capture_output=True)
            return self.spoil(answered.read_bytes())


def make_authority(folder: Path) -> TimestampAuthority:
    """Make the keys and the certificates of an authority in a new folder."""
    folder.mkdir()
    key, root_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _builder(f"Root of {folder.name}", f"Root of {folder.name}", root_key)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    leaf = _builder(f"Authority {folder.name}", f"Root of {folder.name}", key)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    leaf = leaf.add_extension(usage, critical=True)
    for name, builder in (("root.pem", root), ("tsa.pem", leaf)):
        (folder / name).write_bytes(builder.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "tsa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "serial").write_text("01\n")
    (folder / "openssl.cnf").write_text(CONFIGURATION.format(folder=folder))
    return TimestampAuthority(folder)


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


@contextlib.contextmanager
def running(authority: TimestampAuthority) -> Iterator[TimestampAuthority]:
    """Let the authority answer on a free port of this machine for the block."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            authority.queries.append(query)
            assert self.headers["Content-Type"] == "application/timestamp-query"
            answer = authority.answer(query)
            self.send_response(authority.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    authority.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
