"""The Ed25519 keys that sign checkpoints and manifests: makes them, rotates them, and signs.

People keep the public keys (one line each, as C2SP signed-note writes them) outside of the console. The private key
leaves the database only while a signature is made, and stands in no log, exception or repr.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterable
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity import verify_sessionadmin as notes
from activity.models import Level
from activity.seal.signing import NoSigningKey
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app.evidence.models import KeyState, SigningKey
from sessions_app.sealing import SealingError, seal, unseal

HANDOVER = "sessionadmin-key/v1"  # first line of the note by which a new key vouches for the one before it
OVERLAP = dt.timedelta(days=30)  # how long the previous key goes on signing beside the new one by default


def origin() -> str:
    """Return the name of this log, which stands in every checkpoint: what EVIDENCE_ORIGIN says, else the address."""
    if settings.EVIDENCE_ORIGIN:
        return str(settings.EVIDENCE_ORIGIN)
    return f"{urlsplit(settings.SITE_URL).netloc or 'sessionadmin'}/log"


def active() -> SigningKey:
    """Return the newest key that signs. Raise NoSigningKey."""
    found = SigningKey.objects.filter(state=KeyState.ACTIVE).first()
    if found is None:
        raise NoSigningKey("There is no key that signs the log. A worker makes it as soon as ENCRYPTION_KEYS is set.")
    return found


def signing() -> list[SigningKey]:
    """Return the keys that sign now, the active one first."""
    still = models.Q(state=KeyState.ACTIVE) | models.Q(state=KeyState.LEAVING, signs_until__gt=timezone.now())
    return sorted(SigningKey.objects.filter(still).order_by("-pk"), key=lambda each: each.state != KeyState.ACTIVE)


def every_key() -> list[SigningKey]:
    """Return all keys that ever signed, the newest first: what somebody needs to verify old checkpoints."""
    return list(SigningKey.objects.order_by("-pk"))


def vkey(key: SigningKey) -> str:
    """Return the line that people keep: name, hash and public key (C2SP signed-note)."""
    return notes.vkey_line(key.name, base64.b64decode(key.public_key))


def ensure() -> SigningKey:
    """Return the active key; make the first one when there is none. Raise NoSigningKey when it cannot be sealed."""
    found = SigningKey.objects.filter(state=KeyState.ACTIVE).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            made = _make()
            log.record(
                Verb.SEAL_KEY_MADE,
                f"Made the first key that signs the log: {made}",
                level=Level.WARNING,
                details={"key": vkey(made)},
            )
    except IntegrityError:  # another worker was quicker
        return active()
    except SealingError as error:
        raise NoSigningKey(f"The key that signs the log cannot be made. {error}") from error
    return made


def rotate(overlap: dt.timedelta = OVERLAP) -> SigningKey:
    """Make a new key that signs from now on. The previous one signs beside it for `overlap`.

    So whoever knows only the old key can verify everything until then, and finds the new key in checkpoints that the
    old one has signed too. Raise NoSigningKey; then nothing was changed.
    """
    try:
        with transaction.atomic():
            old = SigningKey.objects.select_for_update().filter(state=KeyState.ACTIVE).first()
            if old is None:
                raise NoSigningKey("There is no key yet. Nothing was changed; the first pass of sealing makes it.")
            _retire(SigningKey.objects.select_for_update().filter(state=KeyState.LEAVING))  # two sign at most
            old.state, old.signs_until = KeyState.LEAVING, timezone.now() + overlap
            old.save(update_fields=["state", "signs_until"])
            new = _make()
            log.record(
                Verb.SEAL_KEY_ROTATED,
                f"{new} signs the log from now on; {old} signs beside it until {time_value(old.signs_until)}",
                level=Level.WARNING,
                details={
                    "old": vkey(old),
                    "new": vkey(new),
                    "overlap_until": old.signs_until.isoformat(),
                    "handover": _handover(old, new),
                },
            )
    except SealingError as error:
        raise NoSigningKey(f"The new key cannot be sealed, so nothing was changed. {error}") from error
    return new


def retire_those_due(now: dt.datetime | None = None) -> int:
    """Delete the private keys whose overlap is over. Return how many."""
    over = SigningKey.objects.filter(state=KeyState.LEAVING, signs_until__lte=now or timezone.now())
    if not over.exists():
        return 0
    with transaction.atomic():
        return _retire(over.select_for_update())


def sign(text: str) -> str:
    """Return `text`, which ends with a newline, as a note that every key signs which signs now. Raise NoSigningKey."""
    keys = signing()
    if not keys:
        active()  # raises, with the words for it
    return "".join([text, "\n", *_signatures(text, keys)])


@sensitive_variables("private")
def _signatures(text: str, keys: Iterable[SigningKey]) -> list[str]:
    lines = []
    for key in keys:
        try:
            private = Ed25519PrivateKey.from_private_bytes(unseal(key.private_key))
        except (SealingError, ValueError) as error:
            raise NoSigningKey(f"The key {key} that signs the log cannot be opened. {error}") from None
        lines.append(notes.signature_line(key.name, base64.b64decode(key.public_key), private.sign(text.encode())))
    return lines


def _handover(old: SigningKey, new: SigningKey) -> str:
    """Return a note of the new key about the old one, which later has no private key that could prove what it is."""
    text = f"{HANDOVER}\n{vkey(old)}\n{vkey(new)}\n"
    return "".join([text, "\n", *_signatures(text, [new])])


@sensitive_variables("private")
def is_text(private: bytes) -> bool:
    """Return whether these bytes are text, such as a password: people can have the console seal text of their choice.

    So no such key counts. Of those made by chance, one in some hundred million would be text.
    """
    try:
        private.decode()
    except UnicodeDecodeError:
        return False
    return True


@sensitive_variables("private")
def _make() -> SigningKey:
    private, name = Ed25519PrivateKey.generate(), origin()
    while is_text(private.private_bytes_raw()):
        private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return SigningKey.objects.create(
        state=KeyState.ACTIVE,
        name=name,
        fingerprint=notes.key_id(name, public).hex(),
        public_key=base64.b64encode(public).decode(),
        private_key=seal(private.private_bytes_raw()),
    )


def _retire(keys: models.QuerySet[SigningKey]) -> int:
    """Delete the private parts of these keys, which the caller has locked, and write an entry about each."""
    gone = list(keys)
    for key in gone:
        log.record(Verb.SEAL_KEY_ROTATED, f"{key} signs the log no more", details={"old": vkey(key)})
    retired = {"state": KeyState.RETIRED, "private_key": "", "signs_until": timezone.now()}
    return SigningKey.objects.filter(pk__in=[key.pk for key in gone]).update(**retired)
