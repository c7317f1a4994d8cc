"""Which public keys verify_log trusts, and what is odd about those in the database.

Whoever owns the database can add a key of their own, and sign with it; they can add an entry about it to the log, too.
So a key that signs now must open with ENCRYPTION_KEYS, which is not in the database, and a key that signs no more must
be named in a note that the next key signed. The making of every key must be in the log, which is sealed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.views.decorators.debug import sensitive_variables

from activity.models import LogEntry
from activity.verbs import Verb
from activity.verify_sessionadmin import Unproven, VerifierKey, key_id, open_note, parse_vkey, vkey_line
from sessions_app.evidence import keys
from sessions_app.evidence.models import KeyState, SigningKey
from sessions_app.sealing import SealingError, unseal


def trusted(lines: Iterable[str] = ()) -> tuple[list[VerifierKey], list[str]]:
    """Return the keys to trust, and what is wrong with keys of the database, as sentences.

    With `lines`, public keys that were kept outside of the console, these alone are trusted. Raise Unproven for a line
    that is none.
    """
    given = [parse_vkey(line) for line in lines if line.strip() and not line.startswith("#")]
    logged, handovers = _logged(), _handovers()
    found: list[VerifierKey] = []
    problems = []
    for key in keys.every_key():  # the newest first, so that each is known before the one that it vouches for
        problem = _problem(key, logged) or _why_not_vouched(key, handovers, found)
        if problem:
            problems.append(f"The signing key {key} is not to be trusted: {problem}")
        else:
            found.append(VerifierKey(key.name, base64.b64decode(key.public_key)))
    if not given:
        return found, problems
    strange = [key for key in found if key not in given]
    problems += [
        f"The signing key {key.name}+{key.id.hex()} of the database is none of those that were given."
        for key in strange
    ]
    return given, problems


def _handovers() -> list[str]:
    """Return the notes by which new keys vouch for those before them, as they stand in the log."""
    details = LogEntry.objects.filter(verb=Verb.SEAL_KEY_ROTATED).values_list("details", flat=True)
    notes = (one.get("handover") for one in details if isinstance(one, dict))
    return [note for note in notes if isinstance(note, str)]


def _why_not_vouched(key: SigningKey, handovers: Iterable[str], newer: list[VerifierKey]) -> str:
    """Return why a key that signs no more does not count; an empty string if one of the newer keys vouches for it."""
    if key.state != KeyState.RETIRED:
        return ""
    for note in handovers:
        try:
            opened = open_note(note, newer)
        except Unproven:
            continue
        signers = {vkey_line(one.name, one.public) for one in opened.keys}
        kind, old, new, *_ = [*opened.text.splitlines(), "", "", ""]
        if kind == keys.HANDOVER and old == keys.vkey(key) and new in signers:
            return ""
    return "no newer key vouches for it, so that anybody can have added it to the database."


def _logged() -> set[str]:
    """Return the lines of all keys whose making the log tells."""
    entries = LogEntry.objects.filter(verb__in=[Verb.SEAL_KEY_MADE, Verb.SEAL_KEY_ROTATED])
    found = set()
    for details in entries.values_list("details", flat=True):
        if isinstance(details, dict):
            found |= {line for line in details.values() if isinstance(line, str)}
    return found


@sensitive_variables("private", "sealed")
def _problem(key: SigningKey, logged: set[str]) -> str:
    """Return why a key does not count; an empty string when it does."""
    try:
        public = base64.b64decode(key.public_key)
    except ValueError:
        return "its public key cannot be read."
    if key.fingerprint != key_id(key.name, public).hex():
        return "its name, hash and key do not belong together."
    if keys.vkey(key) not in logged:
        return "no entry of the log says that it was made."
    if key.state == KeyState.RETIRED:
        return ""
    try:
        private = Ed25519PrivateKey.from_private_bytes(sealed := unseal(key.private_key))
    except (SealingError, ValueError):
        return "its private key does not open with ENCRYPTION_KEYS, so the console cannot have made it."
    if private.public_key().public_bytes_raw() != public:
        return "its private key is that of another public key."
    if keys.is_text(sealed):
        return "its private key is text, so somebody had the console seal it as a password or the like."
    return ""
