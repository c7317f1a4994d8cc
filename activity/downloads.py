"""Answers that take one of the few places of their person until they are over, however they end."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.http import FileResponse, StreamingHttpResponse

from activity import limits

REPLAYS = 4  # being loaded at a time; each is one file, whose page was opened before


def take_place(person: AbstractUser, *, is_replay: bool = False) -> limits.Place:
    """Return a place for one more download of this person. Raises limits.TooMany."""
    most: int = REPLAYS if is_replay else settings.DOWNLOADS_LIMIT
    place = limits.take("replay" if is_replay else "download", person.pk, most)
    if place is None:
        raise limits.TooMany(
            f"{most} of your downloads are running, which is as many as one person may have at a time. Nothing was "
            "downloaded. Wait until one of them is over, or break it off.",
            retry_after=10,
        )
    return place


class StreamedDownload(StreamingHttpResponse):
    """A download that is written bit by bit."""

    def __init__(self, place: limits.Place, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._place = place

    def give_back(self) -> None:
        """Give the place back, because the download will not be sent."""
        self._place.release()

    def close(self) -> None:
        """Give the place back, when the download was sent or broken off."""
        super().close()
        self._place.release()


class FileDownload(FileResponse):
    """A download that is a file."""

    def __init__(self, place: limits.Place, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._place = place

    def close(self) -> None:
        """Give the place back, when the download was sent or broken off."""
        super().close()
        self._place.release()
