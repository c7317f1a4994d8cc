"""The SSH certificate authority: its keys never show, its certificates open what they name and nothing else."""

from __future__ import annotations

import datetime as dt
import io
import subprocess
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app import sealing
from sessions_app.hosts.models import AuthorityState, CertificateAuthority, ServiceKey
from sessions_app.hosts.ssh import ca, service
from sessions_app.hosts.ssh.keys import BadKey
from tests.support.builders import make_session
from tests.support.keys import make_key

pytestmark = pytest.mark.django_db


def printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def user_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def secret_lines() -> list[str]:
    """Return the lines of the active authority's private key, which must not appear anywhere."""
    lines = sealing.unseal(ca.active().private_key).decode().splitlines()
    return [line for line in lines if "-----" not in line]


def test_there_is_one_authority_and_its_private_key_shows_nowhere(tmp_path: Path) -> None:
    texts = [printed("ca", "init"), printed("ca", "show"), printed("ca", "show", "--keys-only")]
    with pytest.raises(CommandError, match="already"):
        call_command("ca", "init")
    authority = ca.active()
    ca.sign(public(user_key()), principals=["session-1"], key_id="alice/session-1", seconds=60)
    texts += [repr(authority), str(authority), str(vars(authority))]
    texts += [str(list(LogEntry.objects.values()))]
    lines = secret_lines()
    assert len(lines) > 3
    for text in texts:
        assert authority.fingerprint in text or authority.public_key in text
        assert "PRIVATE" not in text
        assert not [line for line in lines if line in text]


def test_the_database_file_holds_no_private_key() -> None:
    ca.create()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sessions_app_certificateauthority")
        stored = str(cursor.fetchall())
    assert "PRIVATE" not in stored
    assert not [line for line in secret_lines() if line in stored]


def test_without_an_authority_nothing_is_signed() -> None:
    with pytest.raises(ca.NoAuthority, match="ca init"):
        ca.sign(public(user_key()), principals=["x"], key_id="x", seconds=60)
    for arguments in (("show",), ("rotate",), ("rotate", "--prepare")):
        with pytest.raises(CommandError, match="no SSH certificate authority"):
            call_command("ca", *arguments)


def test_without_an_encryption_key_no_authority_is_made(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="ENCRYPTION_KEYS"):
        call_command("ca", "init")
    assert not CertificateAuthority.objects.exists()


def test_openssh_reads_the_certificate_as_it_was_meant(tmp_path: Path) -> None:
    ca.create()
    key = user_key()
    signed = ca.sign(
        public(key),
        principals=["session-7"],
        key_id="alice/session-7",
        seconds=300,
        source_address="192.0.2.0/24,198.51.100.7/32",
    )
    path = tmp_path / "id-cert.pub"
    path.write_text(signed.line + "\n")
    read = subprocess.run(
        ["ssh-keygen", "-L", "-f", path], capture_output=True, text=True, check=True, env={"TZ": "UTC"}
    )
    words = " ".join(read.stdout.split())
    assert "user certificate" in words
    assert f"Signing CA: ED25519 {ca.active().fingerprint}" in words
    assert 'Key ID: "alice/session-7"' in words
    assert f"Serial: {signed.serial}" in words
    assert "Principals: session-7 Critical Options: source-address 192.0.2.0/24,198.51.100.7/32" in words
    assert words.endswith("Extensions: permit-pty")
    assert f"to {signed.valid_until:%Y-%m-%dT%H:%M:%S}" in words
    left = signed.valid_until - timezone.now()
    assert dt.timedelta(seconds=290) < left <= dt.timedelta(seconds=300)


def test_each_signature_is_in_the_log_of_what_it_is_for(alice: User) -> None:
    ca.create()
    session = make_session(alice)
    key = user_key()
    signed = ca.sign(
        public(key), principals=["session-1"], key_id="alice/session-1", seconds=60, actor=alice, target=session
    )
    entry = LogEntry.objects.of_target(session).get(verb=Verb.CERTIFICATE_SIGNED)
    assert entry.actor == alice
    assert entry.details["serial"] == str(signed.serial)
    assert entry.details["principals"] == ["session-1"]
    assert entry.details["key_id"] == "alice/session-1"
    assert entry.details["valid_until"] == signed.valid_until.isoformat()
    assert entry.details["key"] == key.get_fingerprint("sha256")
    assert entry.details["authority"] == ca.active().fingerprint


def test_a_certificate_for_nobody_or_for_no_time_is_not_signed() -> None:
    ca.create()
    for principals, seconds in (([], 60), (["x"], 0), (["x"], -1)):
        with pytest.raises(ValueError, match="principals"):
            ca.sign(public(user_key()), principals=principals, key_id="x", seconds=seconds)
    assert not LogEntry.objects.filter(verb=Verb.CERTIFICATE_SIGNED).exists()


def test_the_old_key_stays_trusted_for_the_overlap_and_signs_no_more() -> None:
    printed("ca", "init")
    old = ca.active()
    text = printed("ca", "rotate", "--overlap-days", "2")
    new = ca.active()
    assert new.pk != old.pk
    assert "no host trusts it yet" in text
    assert [each.pk for each in ca.trusted()] == [new.pk, old.pk]
    for line in (old.public_key, new.public_key):
        assert line in printed("ca", "show")
        assert any(line in each for each in ca.session_lines(1))
    old.refresh_from_db()
    assert old.private_key == ""
    signed: Any = asyncssh.import_certificate(
        ca.sign(public(user_key()), principals=["x"], key_id="x", seconds=60).line
    )
    assert signed.signing_key.get_fingerprint("sha256") == new.fingerprint
    CertificateAuthority.objects.filter(pk=old.pk).update(trusted_until=timezone.now())
    assert [each.pk for each in ca.trusted()] == [new.pk]
    assert old.public_key not in printed("ca", "show")


def test_hosts_can_learn_the_next_key_before_it_signs() -> None:
    printed("ca", "init")
    old = ca.active()
    printed("ca", "rotate", "--prepare")
    following = CertificateAuthority.objects.get(state=AuthorityState.NEXT)
    assert ca.active() == old
    assert following.public_key in printed("ca", "show", "--keys-only")
    with pytest.raises(CommandError, match="prepared already"):
        call_command("ca", "rotate", "--prepare")
    assert "no host trusts it yet" not in printed("ca", "rotate")
    assert ca.active() == following


def test_the_database_keeps_one_that_signs_and_no_private_key_of_a_retired_one() -> None:
    first = ca.create()
    values = {"public_key": "x", "fingerprint": "x", "private_key": "x"}
    with pytest.raises(IntegrityError), transaction.atomic():
        CertificateAuthority.objects.create(state=AuthorityState.ACTIVE, **values)
    with pytest.raises(IntegrityError), transaction.atomic():
        CertificateAuthority.objects.filter(pk=first.pk).update(state=AuthorityState.RETIRED)


def test_a_stored_service_key_comes_back_from_its_seal_only() -> None:
    made = ServiceKey(name="fleet")
    service.fill(made)
    made.save()
    saved = ServiceKey.objects.get(pk=made.pk)
    key = service.open_key(saved)
    assert key.get_fingerprint("sha256") == saved.fingerprint
    assert "PRIVATE" not in saved.private_key
    assert key.export_private_key().decode().splitlines()[2] not in saved.private_key
    own = user_key()
    service.fill(made, own.export_private_key().decode())
    assert made.fingerprint == own.get_fingerprint("sha256")


def test_what_is_no_private_key_is_refused_without_repeating_it() -> None:
    with_passphrase = user_key().export_private_key("pkcs8-pem", passphrase="x").decode()
    for text in ("hunter2 is my password", with_passphrase, public(user_key())):
        with pytest.raises(BadKey) as caught:
            service.fill(ServiceKey(name="x"), text)
        assert text not in str(caught.value)
        assert caught.value.__cause__ is None


def test_rotate_encryption_wraps_everything_with_the_first_key(settings: Any) -> None:
    old, new = make_key(), make_key()
    settings.ENCRYPTION_KEYS = [old]
    ca.create()
    service_key = ServiceKey(name="fleet")
    service.fill(service_key)
    service_key.save()
    settings.ENCRYPTION_KEYS = [new, old]
    text = printed("rotate_encryption")
    assert "certificate authorities: 1" in text
    assert "service keys: 1" in text
    settings.ENCRYPTION_KEYS = [new]
    service_key.refresh_from_db()
    assert service.open_key(service_key).get_fingerprint("sha256") == service_key.fingerprint
    ca.sign(public(user_key()), principals=["x"], key_id="x", seconds=60)
    assert LogEntry.objects.filter(verb=Verb.ENCRYPTION_ROTATED).count() == 1


def test_rotate_encryption_changes_nothing_when_one_secret_cannot_be_opened(settings: Any) -> None:
    first, second, new = make_key(), make_key(), make_key()
    settings.ENCRYPTION_KEYS = [first]
    authority = ca.create()
    settings.ENCRYPTION_KEYS = [second]
    other = ServiceKey(name="fleet")
    service.fill(other)
    other.save()
    settings.ENCRYPTION_KEYS = [new, second]
    with pytest.raises(CommandError, match=r"certificate authority number .* Nothing was changed"):
        call_command("rotate_encryption")
    for row in (authority, other):
        before = row.private_key
        row.refresh_from_db()
        assert row.private_key == before


def test_rotate_encryption_without_a_key_says_so(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(CommandError, match="ENCRYPTION_KEYS is not set"):
        call_command("rotate_encryption")
