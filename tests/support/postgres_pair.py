"""Runs a PostgreSQL server with a streaming replica for one test, both on loopback."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from scripts.system_packages import find
from scripts.throwaway_postgres import (
    as_postgres,
    free_port,
    server_command,
    stop,
    throwaway_postgres,
    wait_until_ready,
)


@dataclass
class Replica:
    """The replica, and its process."""

    url: str
    process: subprocess.Popen[bytes]

    def ask(self, sql: str) -> Any:
        """Run one query there; the first value of its answer."""
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as db:
            row = db.execute(sql).fetchone()
        return row[0] if row else None


@contextlib.contextmanager
def with_replica() -> Iterator[tuple[str, Replica]]:
    """Run both servers. Yield the address of the main server, without a database name, and the replica."""
    initdb = find("postgresql")
    assert initdb is not None, "PostgreSQL is not on this machine"
    directory = Path(tempfile.mkdtemp(prefix="sessionadmin-replica-"))
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(directory, account.pw_uid, account.pw_gid)
        with throwaway_postgres() as main:
            copy = [
                str(initdb.resolve().with_name("pg_basebackup")),
                "--pgdata",
                str(directory / "data"),
                "--dbname",
                main,
            ]
            copy += ["--write-recovery-conf", "--checkpoint", "fast", "--no-sync"]
            subprocess.run(copy, cwd="/", check=True, **as_postgres())
            port = free_port()
            with (directory / "log").open("wb") as log:
                server = subprocess.Popen(
                    server_command(initdb, directory, port),
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    **as_postgres(),
                )
            try:
                wait_until_ready(server, port, directory)
                yield main, Replica(f"{main.rsplit(':', 1)[0]}:{port}", server)
            finally:
                stop(server)
    finally:
        shutil.rmtree(directory)
