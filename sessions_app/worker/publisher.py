"""The worker's thread that publishes checkpoints: a mail server or a disk that does not answer holds up nobody."""

from __future__ import annotations

from sessions_app.evidence import publishing
from sessions_app.repeating import RepeatingThread


class Publisher(RepeatingThread):
    """The thread that sends the newest checkpoint to where it is wanted. Several workers may send it twice."""

    name = "publisher"
    every = 5.0
    problem = "What is to be published could not be read"

    def look(self) -> None:
        """Send what is due."""
        publishing.publish()
