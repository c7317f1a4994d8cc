"""Real syslog servers with TLS and client certificates, for tests marked `syslog`.

They are started as ordinary programs on a free port, with a configuration of their own in the folder of the test.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scripts.system_packages import find
from tests.support.certificates import authority
from tests.support.programs import free_port
from tests.support.waiting import wait_until

CLIENT = "console.test"  # the name in the certificate that the servers let in
RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriverCAFile="{folder}/ca.pem"
       defaultNetstreamDriverCertFile="{folder}/server.pem" defaultNetstreamDriverKeyFile="{folder}/server.key")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name"
       permittedPeer="{client}")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="parts" type="string" string="%msgid%|%structured-data%|%msg%\\n")
*.* action(type="omfile" file="{output}" template="parts")
"""
SYSLOG_NG = """
@version: 3.38
options {{ stats-freq(0); log-msg-size(65536); keep-hostname(yes); }};
source from_console {{
    syslog(ip("127.0.0.1") port({port}) transport("tls")
           tls(ca-file("{folder}/ca.pem") cert-file("{folder}/server.pem") key-file("{folder}/server.key")
               peer-verify(required-trusted)));
}};
destination into_file {{ file("{output}" template("${{MSGID}}|${{SDATA}}|${{MSGONLY}}\\n")); }};
log {{ source(from_console); destination(into_file); }};
"""


class Receiver:
    """A syslog server that writes MSGID, structured data and text of each message into a line of a file."""

    def __init__(self, package: str, folder: Path) -> None:
        self._package, self._folder = package, folder
        self.port = free_port()
        self.output = folder / f"{package}.received"
        (folder / "ca.pem").write_text(authority().pem)
        authority().pair("127.0.0.1").write(folder, "server")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        settings = {"folder": self._folder, "port": self.port, "output": self.output, "client": CLIENT}
        text = RSYSLOG if self._package == "rsyslog" else SYSLOG_NG
        (self._folder / "receiver.conf").write_text(text.format(**settings))
        environment = os.environ | {"LD_LIBRARY_PATH": self._libraries()}
        with (self._folder / "receiver.errors").open("ab") as errors:
            self._process = subprocess.Popen(self._command(), env=environment, stdout=errors, stderr=errors)
        wait_until(self._listens, f"{self._package} to listen")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it in order, or kill it."""
        process, self._process = self._process, None
        if process is not None:
            if kill:
                process.kill()
            else:
                process.terminate()
            process.wait()

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines() if self.output.exists() else []

    def ids(self) -> list[int]:
        """Return the ids of the entries that arrived, in the order of their arrival."""
        return [int(found[1]) for line in self.lines() if (found := re.search(r' id="(\d+)"', line))]

    def _root(self) -> Path:
        program = find(self._package)
        assert program is not None, "mark the test with `syslog`"
        return program.parents[2]

    def _libraries(self) -> str:
        return ":".join(sorted({str(path.parent) for path in self._root().glob("**/*.so*")}))

    def _command(self) -> list[str]:
        root, folder = self._root(), self._folder
        if self._package == "rsyslog":
            modules = next(root.glob("usr/lib/*/rsyslog"))
            return [
                *(str(root / "usr/sbin/rsyslogd"), "-n", "-f", str(folder / "receiver.conf")),
                *("-i", str(folder / "rsyslog.pid"), "-M", str(modules)),
            ]
        modules = next(path for path in root.glob("usr/lib/syslog-ng/*") if path.is_dir())
        return [
            *(str(root / "usr/sbin/syslog-ng"), "--foreground", "--no-caps", "-f", str(folder / "receiver.conf")),
            *("--module-path", str(modules), "-R", str(folder / "persist"), "-p", str(folder / "syslog-ng.pid")),
            *("-c", str(folder / "syslog-ng.ctl")),
        ]

    def _listens(self) -> bool:
        process = self._process
        assert process is not None
        assert process.poll() is None, (self._folder / "receiver.errors").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@contextlib.contextmanager
def receiver(package: str, folder: Path) -> Iterator[Receiver]:
    """Start the server of `package` (rsyslog or syslog-ng-core), and stop it after the block."""
    server = Receiver(package, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop(kill=True)
