"""The SSH user certificate authority: makes its keys, rotates them, and signs. Each signature is logged.

Hosts trust its public key (docs/ssh-ca.md). The private key leaves the database only while a signature is made, and
stands in no log, exception or repr. The flows decide who may have a certificate.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh
from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.models import Level
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app.hosts.models import AuthorityState, CertificateAuthority
from sessions_app.sealing import seal, unseal

OVERLAP = dt.timedelta(days=30)  # how long a retired authority stays trusted by default
BACKDATED = 60  # seconds, for hosts whose clock is slightly slow
# Each way from now. Hosts whose clock is weeks off must not keep us out, who read it and take rights away there; and
# nothing is lost by it: key and certificate never leave the memory of the process that made them.
SERVICE_SECONDS = 30 * 24 * 60 * 60


class AuthorityError(Exception):
    """The authority cannot do that now. The text is for an administrator."""


class NoAuthority(AuthorityError):
    """There is no authority yet."""


class AuthorityExists(AuthorityError):
    """There is an authority already."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A signed certificate. `line` is the content of a -cert.pub file."""

    line: str
    serial: int
    valid_until: dt.datetime


def active() -> CertificateAuthority:
    """Return the authority that signs now. Raise NoAuthority."""
    found = CertificateAuthority.objects.filter(state=AuthorityState.ACTIVE).first()
    if found is None:
        raise NoAuthority("There is no SSH certificate authority yet. An administrator makes it: sessionadmin ca init")
    return found


def trusted() -> list[CertificateAuthority]:
    """Return the authorities that hosts must accept now.

    The active one is first, then the next, then retired ones that are still trusted.
    """
    order = list(AuthorityState)
    wanted = models.Q(trusted_until=None) | models.Q(trusted_until__gt=timezone.now())
    rank = {AuthorityState.ACTIVE: 0, AuthorityState.NEXT: 1, AuthorityState.RETIRED: 2}
    found = CertificateAuthority.objects.filter(wanted, state__in=order).order_by("-created_at", "-pk")
    return sorted(found, key=lambda each: rank[AuthorityState(each.state)])


def session_principal(session_id: int) -> str:
    """Return the principal of certificates that open the login account of this session, and no other account."""
    return f"session-{session_id}"


def session_lines(session_id: int, tcp_targets: Sequence[tuple[str, int]] = ()) -> list[str]:
    """Return the lines of authorized_keys by which certificates for this session open its login account.

    `restrict,pty` forbids every forwarding, even if a certificate would allow it (sshd(8), AUTHORIZED_KEYS). A
    certificate that allows forwarding may open the `tcp_targets` (host and port); only the gateway has such
    certificates.
    """
    principal = session_principal(session_id)
    opened = [f'permitopen="{f"[{host}]" if ":" in host else host}:{port}"' for host, port in tcp_targets]
    options = ",".join(["restrict,pty", *(["port-forwarding", *opened] if opened else []), "cert-authority"])
    return [f'{options},principals="{principal}" {each.public_key}' for each in trusted()]


def create() -> CertificateAuthority:
    """Make the first authority, which signs at once. Raise AuthorityExists or sealing.NoKey."""
    with transaction.atomic():
        _lock_authorities()
        if CertificateAuthority.objects.filter(state=AuthorityState.ACTIVE).exists():
            raise AuthorityExists("There is a certificate authority already. Nothing was changed; see: ca show")
        made = _make(AuthorityState.ACTIVE)
        log.record(
            Verb.AUTHORITY_CREATED, f"Created the SSH certificate authority {made.fingerprint}", level=Level.WARNING
        )
    return made


def prepare() -> CertificateAuthority:
    """Make the authority that signs after the next rotate(), so that hosts can trust it before.

    Raise NoAuthority, AuthorityExists if one is prepared already, or sealing.NoKey.
    """
    with transaction.atomic():
        _lock_authorities()
        active()
        if CertificateAuthority.objects.filter(state=AuthorityState.NEXT).exists():
            raise AuthorityExists("The next authority is prepared already. Nothing was changed; see: ca show")
        made = _make(AuthorityState.NEXT)
        log.record(Verb.AUTHORITY_CREATED, f"Prepared the next SSH certificate authority {made.fingerprint}")
    return made


def rotate(overlap: dt.timedelta = OVERLAP) -> CertificateAuthority:
    """Let the prepared authority sign, or a new one.

    The previous one loses its private key at once, and stays trusted for `overlap`. Raise NoAuthority or sealing.NoKey.
    """
    with transaction.atomic():
        _lock_authorities()
        old, now = active(), timezone.now()
        old.state, old.retired_at, old.trusted_until, old.private_key = AuthorityState.RETIRED, now, now + overlap, ""
        old.save(update_fields=["state", "retired_at", "trusted_until", "private_key"])
        new = CertificateAuthority.objects.filter(state=AuthorityState.NEXT).first()
        if new is None:
            new = _make(AuthorityState.ACTIVE)
        else:
            new.state = AuthorityState.ACTIVE
            new.save(update_fields=["state"])
        log.record(
            Verb.AUTHORITY_ROTATED,
            f"SSH certificates are signed by {new.fingerprint} from now on; {old.fingerprint} is retired",
            level=Level.WARNING,
            details={"old": old.fingerprint, "new": new.fingerprint, "old_trusted_until": (now + overlap).isoformat()},
        )
    return new


def sign(
    public_key: str,
    *,
    principals: Sequence[str],
    key_id: str,
    seconds: int,
    backdated: int = BACKDATED,
    source_address: str = "",
    actor: AbstractBaseUser | None = None,
    target: models.Model | None = None,
    level: Level = Level.INFO,
    may_forward: bool = False,
    clock_off: float = 0.0,
) -> Certificate:
    """Return a user certificate for `public_key`, a line from read_public_key().

    It is valid for `seconds` from now, and since `backdated` seconds ago, by the clock of a host that is `clock_off`
    seconds ahead of ours. It permits only a terminal; with `may_forward` also TCP forwarding, as far as the host allows
    it; with `source_address` only from those networks (CIDR with commas). The signature is logged about `target`. Raise
    NoAuthority or sealing.SealingError.
    """
    if not principals or seconds <= 0:
        raise ValueError("A certificate names its principals and lives for some time.")
    authority, serial, now = active(), secrets.randbits(63), timezone.now()
    valid_until = (now + dt.timedelta(seconds=seconds)).replace(microsecond=0)
    user_key = asyncssh.import_public_key(public_key)
    certificate = _certified(
        authority,
        user_key,
        key_id,
        serial=serial,
        principals=list(principals),
        valid_after=max(int(now.timestamp() + clock_off) - backdated, 0),
        valid_before=int(valid_until.timestamp() + clock_off),
        source_address=source_address.split(",") if source_address else None,
        permit_port_forwarding=may_forward,
    )
    signed = Certificate(certificate.export_certificate().decode().strip(), serial, valid_until)
    facts = {
        "key": user_key.get_fingerprint("sha256"),
        "authority": authority.fingerprint,
        "source_address": source_address,
        **({"clock_off": round(clock_off)} if round(clock_off) else {}),
    }
    _record_signature(signed, key_id, principals, facts, actor=actor, target=target, level=level)
    return signed


def _record_signature(
    signed: Certificate,
    key_id: str,
    principals: Sequence[str],
    facts: Mapping[str, Any],
    *,
    actor: AbstractBaseUser | None,
    target: models.Model | None,
    level: Level,
) -> None:
    message = (
        f"Signed an SSH certificate for {', '.join(principals)}, key id {key_id}, "
        f"until {time_value(signed.valid_until)}"
    )
    details = {
        "serial": str(signed.serial),  # a string, because numbers in JavaScript cannot hold it
        "key_id": key_id,
        "principals": list(principals),
        "valid_until": signed.valid_until.isoformat(),
        **facts,
    }
    log.record(Verb.CERTIFICATE_SIGNED, message, actor=actor, target=target, level=level, details=details)


@sensitive_variables("authority_key")
def _certified(
    authority: CertificateAuthority, user_key: asyncssh.SSHKey, key_id: str, **more: Any
) -> asyncssh.SSHCertificate:
    """Return the signed certificate; `more` are arguments of asyncssh.

    It never permits X11, agent forwarding, or the user's rc file.
    """
    authority_key = asyncssh.import_private_key(unseal(authority.private_key))
    return authority_key.generate_user_certificate(
        user_key,
        key_id,
        permit_x11_forwarding=False,
        permit_agent_forwarding=False,
        permit_pty=True,
        permit_user_rc=False,
        comment=key_id,
        **more,
    )


@sensitive_variables("key")
def service_login(
    account: str, *, target: models.Model | None = None
) -> tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]:
    """Return a new key and a certificate by which SessionAdmin logs in as `account`, for asyncssh's client_keys.

    Neither is stored. Use both for minutes only. Raise NoAuthority or sealing.SealingError.
    """
    key = asyncssh.generate_private_key("ssh-ed25519")
    signed = sign(
        key.export_public_key().decode().strip(),
        principals=[account],
        key_id="sessionadmin/service",
        seconds=SERVICE_SECONDS,
        backdated=SERVICE_SECONDS,
        target=target,
        level=Level.DEBUG,
    )
    return key, asyncssh.import_certificate(signed.line)


@sensitive_variables("key", "private")
def _make(state: AuthorityState) -> CertificateAuthority:
    key = asyncssh.generate_private_key("ssh-ed25519")
    private = key.export_private_key()
    public = " ".join(key.export_public_key().decode().split()[:2])
    return CertificateAuthority.objects.create(
        state=state, public_key=public, fingerprint=key.get_fingerprint("sha256"), private_key=seal(private)
    )


def _lock_authorities() -> None:
    """Lock the rows of the authorities, so that one change at a time is made.

    Constraints prevent a second first authority.
    """
    list(CertificateAuthority.objects.select_for_update().values_list("pk", flat=True))
