"""Brings what files.py sees on one connection into the activity log, some entries at a time."""

from __future__ import annotations

import asyncio
import logging

from django.db import DatabaseError, InterfaceError

from sessions_app.gateway import store
from sessions_app.gateway.files import FileEvent, Watch
from sessions_app.gateway.scp_watch import ScpWatch, is_scp
from sessions_app.gateway.sftp_watch import SftpWatch

EVERY = 0.5  # seconds

logger = logging.getLogger(__name__)


def watch(command: str, subsystem: str) -> Watch | None:
    """Who looks on there; nobody when no files are transferred."""
    if subsystem == "sftp":
        return SftpWatch()
    return ScpWatch(command) if is_scp(command) else None


class FileNotes:
    """The files of one connection."""

    def __init__(self, admitted: store.Admitted, watch: Watch) -> None:
        self._admitted = admitted
        self._watch = watch
        self._waiting: list[FileEvent] = []
        self._writing: asyncio.Task[None] | None = None

    def client(self, data: bytes) -> None:
        """Bytes of the person."""
        self._note(self._watch.client(data))

    def host(self, data: bytes) -> bool:
        """Bytes of the host; whether they are the content of a file and nothing else."""
        was_content = self._watch.is_content
        self._note(self._watch.host(data))
        return was_content and self._watch.is_content

    async def finish(self) -> None:
        """The connection is over: everything is in the log when this returns. Raises what the database raises."""
        if self._writing is not None:
            await self._writing
        self._waiting += self._watch.end()
        await self._write()

    def _note(self, events: list[FileEvent]) -> None:
        self._waiting += events
        if self._waiting and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    async def _write_soon(self) -> None:
        await asyncio.sleep(EVERY)
        try:
            await self._write()
        except (DatabaseError, InterfaceError):
            logger.exception("Files of connection %s are not in the log yet", self._admitted.connection_id)
        finally:
            self._writing = None

    async def _write(self) -> None:
        events, self._waiting = self._waiting, []
        if not events:
            return
        try:
            await store.call(store.note_files, self._admitted.connection_id, events)
        except (DatabaseError, InterfaceError):
            self._waiting = events + self._waiting
            raise
