"""Codes of authenticator apps: RFC 6238's vectors, and each code once."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.models import User
from django.db import connection

from sessions_app.factors import check, totp
from sessions_app.factors.models import TotpSecret
from sessions_app.logins.models import SecondFactor
from tests.support import builders
from tests.support.factors import SECRET, code_of, give_app

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
# RFC 6238, appendix B, the rows of SHA-1: seconds since 1970, and eight digits.
VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


@pytest.mark.parametrize(("seconds", "expected"), VECTORS)
def test_the_vectors_of_rfc_6238(settings: Any, seconds: int, expected: str) -> None:
    assert format_hotp_value(hotp_value(RFC_SECRET, seconds // totp.PERIOD)) == expected[2:]  # six digits of the same
    settings.MFA_TOTP_DIGITS = 8
    assert format_hotp_value(hotp_value(RFC_SECRET, seconds // totp.PERIOD)) == expected


@pytest.mark.parametrize(("late", "is_accepted"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_wrong_by_half_a_minute(monkeypatch: pytest.MonkeyPatch, late: int, is_accepted: bool) -> None:
    now = 1111111111
    monkeypatch.setattr(time, "time", lambda: float(now))
    code = format_hotp_value(hotp_value(RFC_SECRET, (now + late) // totp.PERIOD))
    assert (totp.step_of(RFC_SECRET, code) is not None) is is_accepted


def test_a_used_code_and_an_earlier_one_are_refused(alice: User) -> None:
    give_app(alice)
    earlier, code = code_of(steps=0), code_of(steps=1)
    assert check.verify_code(alice, f" {code[:3]} {code[3:]} ", address="") is SecondFactor.TOTP
    assert check.verify_code(alice, code, address="") is None
    assert check.verify_code(alice, earlier, address="") is None


@pytest.mark.django_db(transaction=True)
def test_of_many_browsers_with_one_code_one_gets_in() -> None:
    alice = builders.make_user()
    give_app(alice)
    code, begin = code_of(), threading.Barrier(8)

    def try_it(_: int) -> bool:
        try:
            begin.wait()
            return totp.use(alice, code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(try_it, range(8))) == 1


def test_the_secret_is_sealed_and_stands_nowhere_else(alice: User) -> None:
    give_app(alice)
    rows = f"{list(TotpSecret.objects.values())} {list(Authenticator.objects.values())} {TotpSecret.objects.get()!r}"
    assert SECRET not in rows
    assert TotpSecret.objects.get().secret.startswith("sealed1:")
