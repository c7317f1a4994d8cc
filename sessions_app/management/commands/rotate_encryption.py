"""`sessionadmin rotate_encryption` encrypts every secret again with the first of ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.sealing import SealingError, rotate, seal, sealed_fields


class Command(BaseCommand):
    help = "Wrap every sealed secret with the first of ENCRYPTION_KEYS, so that the others can be taken away."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate every secret, or change nothing.

        1. The keys must be usable; else nothing is read.

        2. Each row is locked, encrypted again and saved. One that cannot be decrypted is named, and undoes everything.

        3. The change is logged in the same transaction.
        """
        counts: dict[str, int] = {}
        try:
            seal(b"")  # says what is wrong with the keys, also when there is no secret yet
            with transaction.atomic():
                for model, name in sealed_fields():
                    counts[str(model._meta.verbose_name_plural)] = rotate_all(model, name)
                total = sum(counts.values())
                log.record(
                    Verb.ENCRYPTION_ROTATED,
                    f"Wrapped {total} secrets with the first encryption key",
                    level=Level.WARNING,
                    details={"counts": counts},
                )
        except SealingError as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        for what, count in counts.items():
            self.stdout.write(f"{what}: {count}")
        self.stdout.write("Every secret is wrapped with the first of ENCRYPTION_KEYS. The others can be taken away.")


def rotate_all(model: type[models.Model], name: str) -> int:
    """Encrypt the field `name` of each row again. Return how many there were.

    Raises SealingError, which names the row.
    """
    rows = model._default_manager.exclude(**{name: ""}).select_for_update(of=("self",)).order_by("pk")
    count = 0
    for pk, sealed in rows.values_list("pk", name):
        try:
            text = rotate(sealed)
        except SealingError as error:
            raise type(error)(f"{model._meta.verbose_name} number {pk}: {error}") from None
        model._default_manager.filter(pk=pk).update(**{name: text})
        count += 1
    return count
