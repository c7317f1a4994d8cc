"""Downloads that hold one of the few slots of their person until they end, finished or broken off."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.http import FileResponse, StreamingHttpResponse

from activity import limits

REPLAYS = 4  # recordings that one person may load at the same time; each is one file, whose page was opened before


def take_slot(person: AbstractUser, *, is_replay: bool = False) -> limits.Slot:
    """Return a slot for one more download of this person. Raises limits.TooMany."""
    most: int = REPLAYS if is_replay else settings.DOWNLOADS_LIMIT
    slot = limits.take("replay" if is_replay else "download", person.pk, most)
    if slot is None:
        raise limits.TooMany(
            f"{most} of your downloads are running, which is as many as one person may have at a time. Nothing was "
            "downloaded. Wait until one has finished, or cancel it.",
            retry_after=10,
        )
    return slot


class StreamedDownload(StreamingHttpResponse):
    """A download that is made while it is sent."""

    def __init__(self, slot: limits.Slot, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._slot = slot

    def give_back(self) -> None:
        """Give the slot back, because the download will not be sent."""
        self._slot.release()

    def close(self) -> None:
        """Give the slot back, when the download was sent or broken off."""
        super().close()
        self._slot.release()


class FileDownload(FileResponse):
    """A download that is a file."""

    def __init__(self, slot: limits.Slot, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._slot = slot

    def close(self) -> None:
        """Give the slot back, when the download was sent or broken off."""
        super().close()
        self._slot.release()
