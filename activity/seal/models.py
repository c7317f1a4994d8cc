"""The tables of the sealed log: how far it is sealed, the hashes of the tree, checkpoints, and what was found wrong."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

TILE = 256  # hashes of one row of SealTile
HASH_BYTES = 32  # bytes of one hash: SHA-256


class SealState(models.Model):
    """The one row that says how far the log is sealed. Who seals changes `size` only from the value that they read."""

    THE_ROW = 1

    size = models.BigIntegerField(default=0)  # entries that are leaves of the tree
    last_id = models.BigIntegerField(default=0)  # number of the newest of them
    sealed_at = models.DateTimeField(null=True)  # when the tree grew
    # The worker that seals until then, so that others need not compute the same; kept by nobody's clock but `size`.
    holder = models.CharField(max_length=60, blank=True)
    held_until = models.DateTimeField(null=True)
    # Since when entries cannot be sealed because a transaction is open that may still add one before them.
    waiting_since = models.DateTimeField(null=True)
    waiting_for = models.CharField(max_length=200, blank=True)
    problem = models.CharField(max_length=300, blank=True)  # why nothing more can be sealed
    looked_through_to = models.BigIntegerField(default=0)  # number of the tile that was compared last (behind.py)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.size} entries are sealed"

    @classmethod
    def current(cls) -> SealState:
        """Return the row, which is made when the log has never been sealed."""
        return cls.objects.get_or_create(pk=cls.THE_ROW)[0]

    def is_held_by_another(self, name: str) -> bool:
        """Return whether another process than the one of this name has sealed in the last seconds."""
        return self.holder not in ("", name) and self.held_until is not None and self.held_until > timezone.now()


class SealTile(models.Model):
    """Up to 256 hashes beside each other in one level of the tree, after the tiles of C2SP tlog-tiles.

    Hash i of tile n of level k is that of the complete subtree over the 256**k leaves from (n * 256 + i) * 256**k on.
    So tiles of level 0 hold the hashes of entries, in the order of their numbers. Only the last tile of a level grows.
    """

    level = models.SmallIntegerField()
    number = models.BigIntegerField()
    hashes = models.BinaryField()  # one after the other, 32 bytes each
    ids = models.BinaryField(default=bytes)  # level 0: the numbers of the entries, 8 bytes each, the high byte first
    first_id = models.BigIntegerField(null=True)  # level 0: number of the first entry
    last_id = models.BigIntegerField(null=True)  # level 0: number of the last entry

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["level", "number"], name="seal_tile_once")]
        indexes = [models.Index(fields=["first_id"], name="seal_tile_first", condition=models.Q(level=0))]

    def __str__(self) -> str:
        return f"tile {self.number} of level {self.level}"


class Checkpoint(models.Model):
    """A signed statement of how large the tree was, and of its root (C2SP tlog-checkpoint)."""

    size = models.BigIntegerField(db_index=True)
    root = models.BinaryField()
    note = models.TextField()  # the signed note, with one signature for each key (C2SP signed-note)
    key = models.CharField(max_length=200)  # hashes of the keys that signed it, hexadecimal, with commas
    at = models.DateTimeField(default=timezone.now)
    timestamp = models.BinaryField(null=True)  # an RFC 3161 time-stamp of the note, DER

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"checkpoint of {self.size} entries"


class FindingKind(models.TextChoices):
    """What can be wrong with an entry of the sealed log."""

    BEHIND = "behind", "Appeared behind the seal"
    MISSING = "missing", "Sealed, but no longer there"


class SealFinding(models.Model):
    """Something that the sealing found wrong. It is noted once, and stays."""

    kind = models.CharField(max_length=10, choices=FindingKind.choices)
    entry_id = models.BigIntegerField()
    found_at = models.DateTimeField(default=timezone.now)
    text = models.CharField(max_length=500)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["kind", "entry_id"], name="seal_finding_once")]

    def __str__(self) -> str:
        return self.text


class StatementKind(models.TextChoices):
    """What a signed statement says was taken out of the sealed log."""

    PRUNED = "pruned", "Entries deleted"
    ERASED = "erased", "Personal data erased"


class SealStatement(models.Model):
    """A signed statement of which leaves have no entry any more, or one without personal data (statements.py)."""

    kind = models.CharField(max_length=10, choices=StatementKind.choices)
    entry_id = models.BigIntegerField()  # number of the entry of the log that says the same
    note = models.TextField()  # the signed note
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"statement {self.pk}: {self.get_kind_display()}"
