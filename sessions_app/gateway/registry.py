"""What one gateway process holds: its name, its live relays, and how it makes recorders."""

from __future__ import annotations

from dataclasses import dataclass, field

from sessions_app.gateway.close_batcher import CloseBatcher
from sessions_app.gateway.downstream import Downstream, Terminal
from sessions_app.gateway.files import FileWatcher
from sessions_app.gateway.recorder import RecorderFactory
from sessions_app.gateway.relay import Relay
from sessions_app.gateway.store import Admitted


@dataclass
class Registry:
    """The live relays of one process, which has one registry."""

    owner: str  # the owner of this gateway's heartbeat
    make_recorder: RecorderFactory | None = None  # asked where the profile records, except for file transfers
    relays: dict[int, Relay] = field(default_factory=dict)  # by connection id
    endings: CloseBatcher = field(default_factory=CloseBatcher)
    is_draining: bool = False  # takes no new connections

    def add(
        self,
        admitted: Admitted,
        downstream: Downstream,
        terminal: Terminal,
        files: FileWatcher | None = None,
        *,
        is_port_forwarding: bool = False,
    ) -> Relay:
        """Make the relay of a connection that was admitted, and hold it until it is over."""
        relay = Relay(
            admitted,
            downstream,
            terminal,
            files,
            is_port_forwarding=is_port_forwarding,
            save_end=self.endings.note,
            forget=lambda: self.relays.pop(admitted.connection_id, None),
        )
        self.relays[relay.connection_id] = relay
        return relay
