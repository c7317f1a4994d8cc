"""The keys that sign the log: the first is made by itself, the next signs beside the old one for a while."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management import call_command
from django.utils import timezone

from activity import verify_sessionadmin
from activity.models import LogEntry
from activity.seal import signing
from activity.seal.signing import NoSigningKey
from activity.verbs import Verb
from activity.verify_sessionadmin import Unproven, open_note, parse_vkey
from sessions_app.evidence import keys
from sessions_app.evidence.models import KeyState, SigningKey
from sessions_app.sealing import unseal

pytestmark = pytest.mark.django_db
TEXT = "something to sign\nof two lines\n"


def test_a_note_verifies_with_the_line_that_people_keep() -> None:
    key = keys.ensure()
    assert keys.ensure() == key
    opened = open_note(signing.sign(TEXT), [parse_vkey(keys.vkey(key))])
    assert opened.text == TEXT
    assert LogEntry.objects.get(verb=Verb.SEAL_KEY_MADE).details == {"key": keys.vkey(key)}


def test_the_note_is_the_one_that_c2sp_describes() -> None:
    key = keys.ensure()
    body, signature = signing.sign(TEXT).rsplit("\n\n", 1)
    assert f"{body}\n" == TEXT
    dash, name, encoded = signature.rstrip("\n").split(" ")
    raw = base64.b64decode(encoded)
    assert (dash, name, raw[:4].hex()) == ("\u2014", key.name, key.fingerprint)
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public_key)).verify(raw[4:], TEXT.encode())


def test_the_private_key_is_sealed_and_no_other_than_the_public_one() -> None:
    key = keys.ensure()
    assert key.private_key.startswith("sealed1:")
    assert len(unseal(key.private_key)) == 32


def test_both_keys_sign_until_the_overlap_ends() -> None:
    old = keys.ensure()
    new = keys.rotate(dt.timedelta(days=2))
    note = signing.sign(TEXT)
    for key in (old, new):
        assert len(open_note(note, [parse_vkey(keys.vkey(key))]).keys) == 1
    assert keys.retire_those_due() == 0
    assert keys.retire_those_due(timezone.now() + dt.timedelta(days=3)) == 1
    note = signing.sign(TEXT)
    assert open_note(note, [parse_vkey(keys.vkey(new))]).text == TEXT
    with pytest.raises(Unproven):
        open_note(note, [parse_vkey(keys.vkey(old))])
    retired = SigningKey.objects.get(pk=old.pk)
    assert (retired.state, retired.private_key) == (KeyState.RETIRED, "")
    assert [keys.vkey(each) for each in keys.every_key()] == [keys.vkey(new), keys.vkey(old)]
    rotated = LogEntry.objects.filter(verb=Verb.SEAL_KEY_ROTATED).order_by("pk")
    assert rotated[0].details["new"] == keys.vkey(new)
    assert "signs the log no more" in rotated[1].message


def test_a_second_rotation_leaves_two_that_sign() -> None:
    first = keys.ensure()
    second, third = keys.rotate(), keys.rotate()
    assert [each.pk for each in keys.signing()] == [third.pk, second.pk]
    assert SigningKey.objects.get(pk=first.pk).state == KeyState.RETIRED


def test_the_origin_is_the_address_of_the_console_unless_it_is_set(settings: Any) -> None:
    settings.SITE_URL = "https://console.example.com:8443/"
    assert keys.ensure().name == "console.example.com:8443/log"
    settings.EVIDENCE_ORIGIN = "example.com/audit"
    assert signing.origin() == "console.example.com:8443/log"  # a key belongs to a name
    assert keys.rotate().name == signing.origin() == "example.com/audit"


def test_nothing_is_signed_without_encryption_keys(settings: Any) -> None:
    kept, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, []
    with pytest.raises(NoSigningKey, match="ENCRYPTION_KEYS"):
        keys.ensure()
    settings.ENCRYPTION_KEYS = kept
    keys.ensure()
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(NoSigningKey, match="cannot be opened"):
        signing.sign(TEXT)
    with pytest.raises(NoSigningKey, match="nothing was changed"):
        keys.rotate()
    assert SigningKey.objects.count() == 1


def test_a_change_of_the_encryption_key_reaches_signing_keys(settings: Any) -> None:
    keys.ensure()
    new = base64.urlsafe_b64encode(b"another-key-for-the-tests-012345").decode()
    settings.ENCRYPTION_KEYS = [new, *settings.ENCRYPTION_KEYS]
    call_command("rotate_encryption")
    settings.ENCRYPTION_KEYS = [new]
    assert verify_sessionadmin.split_note(signing.sign(TEXT))[0] == TEXT
