"""Record the files that are transferred on one connection in the activity log."""

from __future__ import annotations

from sessions_app.gateway import store
from sessions_app.gateway.files import FileEvent, FileWatcher
from sessions_app.gateway.log_batcher import LogBatcher
from sessions_app.gateway.scp_watch import ScpWatch, is_scp
from sessions_app.gateway.sftp_watch import SftpWatch


def watcher_for(command: str, subsystem: str, *, has_terminal: bool = False) -> FileWatcher | None:
    """Return the watcher for the protocol; None when no files are transferred. scp asks for no terminal."""
    if subsystem == "sftp":
        return SftpWatch()
    return ScpWatch(command) if is_scp(command) and not has_terminal else None


class FileLog:
    """The files of one connection."""

    def __init__(self, admitted: store.Admitted, watch: FileWatcher) -> None:
        number = admitted.connection_id
        self._watch = watch
        self._log = LogBatcher[FileEvent](
            lambda events: store.call(store.note_files, number, events), f"Files of connection {number}"
        )

    def client(self, data: bytes) -> None:
        """Read bytes that the person sent."""
        if events := self._watch.client(data):
            self._log.add(events)

    def host(self, data: bytes) -> bool:
        """Read bytes of the host. Return whether they are only the content of a file."""
        was_content = self._watch.is_content
        if events := self._watch.host(data):
            self._log.add(events)
        return was_content and self._watch.is_content

    async def finish(self) -> None:
        """Log the last files. Return when everything is in the log. Raises the database's error."""
        await self._log.finish(self._watch.end())
