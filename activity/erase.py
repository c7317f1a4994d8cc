"""erase(): has the database erase the personal data of one entry of the log, which it does in one way only.

The hash of the entry stays in the sealed log, and a signed statement says that it no longer fits (seal/statements.py).
So everything else still verifies. What an entry keeps is named in append_only.py. The statement keeps what proves the
files of a recording, which is no personal data: else who changes such a file would have its entry erased.
"""

from __future__ import annotations

import json

from django.db import connection, transaction

from activity.append_only import ERASED_TEXT, UNERASABLE
from activity.models import LogEntry, PruneRequest
from activity.seal import statements, tree
from activity.seal.rows import read_entries
from activity.seal.sealing import Sealing
from activity.seal.signing import NoSigningKey
from activity.text import plain
from activity.verbs import Verb
from activity.verify_sessionadmin import leaf_hash

MOST_OF_A_REASON = 500  # characters
STATED = {Verb.RECORDING_CLOSED.value: ("recording", "sha256", "input_sha256")}  # details that the statement keeps


class EraseRefused(Exception):
    """Nothing was changed. The text is for the person."""


def erasable(entry_id: int) -> LogEntry:
    """Return the entry whose personal data can be erased. Raises EraseRefused."""
    entry = LogEntry.objects.filter(pk=entry_id).first()
    if entry is None:
        raise EraseRefused(f"There is no entry {entry_id}. Nothing was changed.")
    if entry.message == ERASED_TEXT:
        raise EraseRefused(f"The personal data of entry {entry_id} was erased already. Nothing was changed.")
    if entry.verb in UNERASABLE:
        raise EraseRefused(
            f"An entry {entry.verb} says what happened to the log, and stays whole. Nothing was changed."
        )
    return entry


def erase(entry_id: int, reason: str) -> None:
    """Erase the personal data of one entry, write an entry that says so, and sign a statement of it.

    Raises EraseRefused and TreeDamaged; then nothing was changed.
    """
    reason = plain(reason, MOST_OF_A_REASON)
    if not reason:
        raise EraseRefused("Say why, without naming the person: the log keeps the reason. Nothing was changed.")
    entry = erasable(entry_id)
    Sealing("erase").seal(is_alone=True)
    try:
        leaf = tree.leaf_index(entry_id)
    except tree.NotSealed as error:
        raise EraseRefused(f"{error} Run sessionadmin seal_log, and try again. Nothing was changed.") from error
    sealed_hash = tree.Tree(tree.size()).leaf(leaf)
    data = _data_of(entry_id)
    if leaf_hash(data) != sealed_hash:
        raise EraseRefused(
            f"Entry {entry_id} was changed after it was sealed. Run sessionadmin verify_log. Nothing was changed."
        )
    details = json.loads(data)["details"]
    kept = {key: details[key] for key in STATED.get(entry.verb, ()) if isinstance(details, dict) and key in details}
    try:
        with transaction.atomic():
            PruneRequest.objects.create(entry_id=entry_id, reason=reason)
            said = LogEntry.objects.filter(verb=Verb.LOG_ERASED, details__entry=entry_id).latest("pk")
            erasure = statements.Erasure(entry_id, sealed_hash, leaf_hash(_data_of(entry_id)), kept)
            statements.sign_erased(said.pk, leaf, erasure, reason)
    except NoSigningKey as error:
        raise EraseRefused(f"No statement can be signed, so nothing was changed. {error}") from error


def _data_of(entry_id: int) -> bytes:
    """Return the canonical JSON of an entry as it is now, of which its leaf would be made."""
    [(_, data)] = read_entries(connection, entry_id - 1, entry_id)
    return data
