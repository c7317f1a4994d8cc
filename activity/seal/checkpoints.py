"""Make checkpoints: signed statements of how large the tree is, and of its root (C2SP tlog-checkpoint)."""

from __future__ import annotations

import base64
import datetime as dt

from django.db import transaction
from django.utils import timezone

from activity.seal import signing, tree
from activity.seal.models import Checkpoint, SealState
from activity.verify_sessionadmin import checkpoint_text

EVERY = dt.timedelta(minutes=1)  # when the tree has grown
AFTER = 10_000  # entries: then sooner


def newest() -> Checkpoint | None:
    """Return the newest checkpoint; None when there is none yet."""
    return Checkpoint.objects.order_by("-pk").first()


def make_if_due(now: dt.datetime | None = None) -> Checkpoint | None:
    """Make a checkpoint if the tree has grown, and a minute has passed or 10,000 entries have come. Return it.

    Raise NoSigningKey or TreeDamaged.
    """
    last, size = newest(), tree.size()
    if not size or (last is not None and last.size >= size):
        return None
    is_due = last is None or size - last.size >= AFTER or (now or timezone.now()) - last.at >= EVERY
    return make() if is_due else None


def make() -> Checkpoint | None:
    """Make a checkpoint of the tree as it is. Return None if it is empty, or if there is one of this size already.

    Raise NoSigningKey or TreeDamaged.
    """
    origin = signing.origin()
    with transaction.atomic():
        state = SealState.objects.select_for_update().filter(pk=SealState.THE_ROW).first()
        last = newest()
        if state is None or not state.size or (last is not None and last.size >= state.size):
            return None
        if last is not None and tree.root(last.size) != bytes(last.root):
            raise tree.TreeDamaged(
                f"The hashes of the sealed log no longer give the root of the checkpoint of {last.size:,} entries: "
                "they were changed. Nothing was signed."
            )
        root = tree.root(state.size)
        note = signing.sign(checkpoint_text(origin, state.size, root))
        return Checkpoint.objects.create(size=state.size, root=root, note=note, key=_key_hashes(note))


def _key_hashes(note: str) -> str:
    """Return the hashes of the keys whose signatures a note bears, hexadecimal, with commas."""
    signatures = [line.rsplit(" ", 1)[1] for line in note.split("\n\n", 1)[1].splitlines()]
    return ",".join(base64.b64decode(each)[:4].hex() for each in signatures)
