"""System check of the storage of recordings. Importing the module registers it (SessionsAppConfig.ready)."""

from __future__ import annotations

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import InvalidStorageError, storages


@register()
def check_recordings_storage(**kwargs: object) -> list[CheckMessage]:
    """Check that RECORDINGS_STORAGE and its options make a storage (E030).

    Whether it can be written to is seen when it is.
    """
    try:
        storages["recordings"]
    except (InvalidStorageError, ImproperlyConfigured, ImportError, TypeError, ValueError) as error:
        return [
            Error(
                f"RECORDINGS_STORAGE with RECORDINGS_STORAGE_OPTIONS makes no storage: {error}. "
                "No recording could be closed.",
                hint="Name a storage class of Django or of an installed django-storages "
                "(docs/recordings.md#where-the-files-are).",
                id="sessions_app.E030",
            )
        ]
    return []
