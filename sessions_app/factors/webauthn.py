"""Security keys and passkeys (WebAuthn level 3), checked by python-fido2 and kept as allauth keeps them.

A passkey says by itself whose it is, and has checked a PIN or a finger: it is enough for a login. A security key stands
in for the second factor only. The challenge of each ceremony is in the browser's session, for one answer and a few
minutes.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from fido2.rpid import verify_rp_id
from fido2.server import Fido2Server
from fido2.utils import websafe_decode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from activity import limits, log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.logins import service, throttle
from sessions_app.logins.models import SecondFactor

CEREMONY = "webauthn_ceremony"  # the key of the session
GOOD_FOR = 5 * 60  # seconds from the question to the answer
STRANGER_SECONDS = 15 * 60  # how long the session of somebody who never answers is kept; sign_in.py sets it back
LONGEST = 20_000  # characters of an answer; attestations with certificates have some thousands
PASSKEY, SECURITY_KEY = "passkey", "security-key"
# What the library raises for an answer that no browser makes.
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError, RecursionError)


class WrongAnswer(Exception):
    """The browser's answer does not fit the question, or no key of the person gave it."""


def why_impossible(request: HttpRequest) -> str:
    """Return why no security key works at this address of the console; "" where they do."""
    host = _host(request)
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        if request.is_secure() or host == "localhost" or host.endswith(".localhost"):
            return ""
        return "Security keys and passkeys need HTTPS. Open the console by HTTPS to use them."
    local = " On this machine that is localhost instead of 127.0.0.1." if host in ("127.0.0.1", "[::1]") else ""
    return f"Security keys and passkeys need a host name. Open the console by its name, not by its IP address.{local}"


def begin_registration(request: HttpRequest, user: AbstractBaseUser, kind: str) -> dict[str, Any]:
    """Return the options with which a browser makes a new key of this kind, as JSON."""
    is_passkey = kind == PASSKEY
    needed = UserVerificationRequirement.REQUIRED if is_passkey else UserVerificationRequirement.PREFERRED
    options, state = _server(request).register_begin(
        PublicKeyCredentialUserEntity(
            id=str(user.pk).encode(), name=user.get_username(), display_name=user.get_username()
        ),
        credentials=[credential for _, credential in _keys(user)],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED if is_passkey else ResidentKeyRequirement.DISCOURAGED,
        user_verification=needed,
    )
    _remember(request, kind, state)
    return {"create": True, "options": dict(options)["publicKey"]}


def complete_registration(
    request: HttpRequest, user: AbstractBaseUser, kind: str, answer: str, name: str
) -> Authenticator:
    """Store the new key. Raise WrongAnswer."""
    state = _recall(request, kind)
    try:
        credential = _read(answer)
        data = _server(request).register_complete(state, RegistrationResponse.from_dict(credential))
    except MALFORMED as error:
        raise WrongAnswer from error
    stored = {"name": name, "kind": kind, "credential": credential, "sign_count": data.counter}
    key: Authenticator = Authenticator.objects.create(user_id=user.pk, type=Authenticator.Type.WEBAUTHN, data=stored)
    return key


def begin(request: HttpRequest, user: AbstractBaseUser | None = None) -> dict[str, Any]:
    """Return the options with which a browser asks for a key of this person, as JSON.

    Without a person it asks for a passkey of anybody, which has to check a PIN or a finger.
    """
    needed = UserVerificationRequirement.PREFERRED if user else UserVerificationRequirement.REQUIRED
    keys = [credential for _, credential in _keys(user)] if user else None
    options, state = _server(request).authenticate_begin(keys, user_verification=needed)
    _remember(request, _purpose(user), state)
    if not request.user.is_authenticated:
        request.session.set_expiry(STRANGER_SECONDS)
    return {"options": dict(options)["publicKey"]}


def verify(request: HttpRequest, user: AbstractBaseUser, answer: str) -> SecondFactor | None:
    """Return which kind of key of this person answered; None for a wrong answer, which is logged.

    Nothing is counted, because a signature cannot be guessed.
    """
    try:
        key = _complete(request, user, _purpose(user), answer)
    except WrongAnswer:
        _record_failure(user)
        return None
    return SecondFactor.PASSKEY if key.data.get("kind") == PASSKEY else SecondFactor.SECURITY_KEY


def verify_passkey(request: HttpRequest, answer: str) -> AbstractBaseUser:
    """Return the person whose passkey answered, whether or not the account may log in. Raise WrongAnswer.

    Anybody can send an answer that names any account, so that of many from one address only the first are logged.
    """
    try:
        handle = websafe_decode(_read(answer)["response"]["userHandle"]).decode()
        user = get_user_model()._default_manager.filter(pk=int(handle)).first()
    except (*MALFORMED, OverflowError) as error:
        raise WrongAnswer from error
    if user is None:
        raise WrongAnswer
    try:
        _complete(request, user, _purpose(None), answer, must_be_passkey=True)
    except WrongAnswer:
        if not throttle.is_flooding("passkey-refused", service.request_ip(request)):
            _record_failure(user)
        raise
    return user


def _complete(
    request: HttpRequest, user: AbstractBaseUser, purpose: str, answer: str, *, must_be_passkey: bool = False
) -> Authenticator:
    """Check an answer, and store the use of the key. Raise WrongAnswer.

    A key that counts its uses and has not counted on was copied, or its answer is sent a second time.
    """
    state = _recall(request, purpose)
    with transaction.atomic():
        keys = _keys(user, locked=True)
        try:
            response = AuthenticationResponse.from_dict(_read(answer))
            used = _server(request).authenticate_complete(state, [credential for _, credential in keys], response)
            data = response.response.authenticator_data
        except MALFORMED as error:
            raise WrongAnswer from error
        key = next(key for key, credential in keys if credential is used)
        before = key.data.get("sign_count", 0)
        if (data.counter or before) and data.counter <= before:  # WebAuthn level 3, 7.2, step 22
            raise WrongAnswer
        if must_be_passkey and not (key.data.get("kind") == PASSKEY and data.is_user_verified()):
            raise WrongAnswer
        key.data["sign_count"] = data.counter
        key.last_used_at = timezone.now()
        key.save(update_fields=["data", "last_used_at"])
    return key


def _keys(user: AbstractBaseUser, *, locked: bool = False) -> list[tuple[Authenticator, AttestedCredentialData]]:
    rows = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.WEBAUTHN).order_by("pk")
    if locked:
        rows = rows.select_for_update()
    return [(row, row.wrap().authenticator_data.credential_data) for row in rows]


def _host(request: HttpRequest) -> str:
    """Return the console's name in the address, without the port."""
    return urlsplit(f"//{request.get_host()}").hostname or "" if ":" in request.get_host() else request.get_host()


def _server(request: HttpRequest) -> Fido2Server:
    """Return what checks answers for this name of the console, which were made on its own pages only."""
    host = _host(request)

    def is_ours(origin: str) -> bool:
        return urlsplit(origin).netloc == request.get_host() and verify_rp_id(host, origin)

    return Fido2Server(PublicKeyCredentialRpEntity(name="SessionAdmin", id=host), verify_origin=is_ours)


def _purpose(user: AbstractBaseUser | None) -> str:
    return f"ask {user.pk}" if user else "ask anybody"


def _remember(request: HttpRequest, purpose: str, state: Mapping[str, Any]) -> None:
    request.session[CEREMONY] = {**state, "purpose": purpose, "at": time.time()}


def _recall(request: HttpRequest, purpose: str) -> Mapping[str, Any]:
    """Return the question that the browser was asked, for the last time. Raise WrongAnswer.

    Two requests of one moment find it in the session both, so that the first one is counted besides.
    """
    state: Mapping[str, Any] | None = request.session.pop(CEREMONY, None)
    if state is None or state["purpose"] != purpose or time.time() - state["at"] > GOOD_FOR:
        raise WrongAnswer
    number = int(hashlib.sha256(str(state["challenge"]).encode()).hexdigest()[:12], 16)
    if limits.count("webauthn-question", number, 1, 1, 2 * GOOD_FOR) is not None:
        raise WrongAnswer
    return state


def _read(answer: str) -> dict[str, Any]:
    """Return the JSON of a browser's answer. Raise ValueError."""
    if len(answer) > LONGEST or "\x00" in answer or "\\u0000" in answer:
        raise ValueError("No browser answers so.")
    read = json.loads(answer)
    if not isinstance(read, dict):
        raise ValueError("No browser answers so.")
    return read


def _record_failure(user: AbstractBaseUser) -> None:
    text = f"A security key or passkey of {user.get_username()} was refused"
    log.record(Verb.FACTOR_FAILED, text, user=user, level=Level.WARNING)
