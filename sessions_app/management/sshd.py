"""Configure the machine's own OpenSSH server as a practice host: on loopback only, and apart from the real one.

What the console knows of this host is in sessions_app/sample/practice_host.py.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

ADDRESS = "127.0.0.1"
ACCOUNTS = "*-practice"  # who but root may log in there: accounts of the sample activity
CONFIG = """ListenAddress {address}:{port}
HostKey "{directory}/host_key"
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers root {accounts}
DisableForwarding yes
MaxStartups 50
Subsystem sftp internal-sftp
Match User root
    AuthorizedKeysFile "{directory}/root_keys"
"""


def program() -> str | None:
    """Return the sshd of this machine; None where it is missing, or where this process is not root.

    Only root can run it for other users.
    """
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return found if os.geteuid() == 0 else None


def host_key(directory: Path) -> str:
    """Return the public host key as "type base64"; the first call makes it."""
    path = directory / "host_key"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - our own words
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def free_port(wanted: int) -> int:
    """Return `wanted` when nobody listens there, else a port that is free now."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"No port of {ADDRESS} is free.")


def configure(directory: Path, port: int, authorities: Iterable[str], accounts: str = ACCOUNTS) -> Path:
    """Write the configuration of sshd, and return its path.

    Root can log in with a certificate of one of `authorities` (public keys), and with nothing else.
    """
    lines = [f'restrict,cert-authority,principals="root" {public_key}\n' for public_key in authorities]
    (directory / "root_keys").write_text("".join(lines))
    config = directory / "sshd_config"
    config.write_text(CONFIG.format(address=ADDRESS, port=port, directory=directory, accounts=accounts))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd shuts itself in before a login
    return config
