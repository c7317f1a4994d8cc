"""Codes of authenticator apps: RFC 6238's vectors, and each code once."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from sessions_app.factors import check, totp
from sessions_app.factors.models import TotpSecret
from sessions_app.logins.models import LoginSession, SecondFactor
from tests.support import builders
from tests.support.factors import SECRET, code_of, give_app
from tests.support.machine import ROOT
from tests.support.races import at_once
from tests.support.ssh_scene import database_url
from tests.support.waiting import seconds

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


IN_A_PROCESS = """
import sys
import django
django.setup()
from django.contrib.auth.models import User
from sessions_app.factors import check
alice = User.objects.get(username="alice")
print("ready", flush=True)
print(check.verify_code(alice, sys.stdin.readline().strip(), address=""), flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_of_several_processes_with_one_code_one_accepts_it(tmp_path: Path) -> None:
    give_app(builders.make_user())
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
        "TEST_VAR_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", IN_A_PROCESS]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
        code = code_of()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{code}\n")
            process.stdin.flush()
        said = [process.communicate(timeout=seconds(60))[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert sorted(said) == ["None", "None", "None", "totp"]


@pytest.mark.django_db(transaction=True)
def test_of_several_logins_with_one_code_one_begins() -> None:
    alice = builders.make_user()
    give_app(alice)
    browsers = [Client() for _ in range(6)]
    for browser in browsers:
        browser.post("/accounts/login/", {"username": "alice", "password": builders.PASSWORD})
    code = code_of()
    calls = [partial(browser.post, "/accounts/2fa/authenticate/", {"code": code}) for browser in browsers]
    assert sorted(answer.status_code for answer in at_once(calls)) == [200] * 5 + [302]
    assert LoginSession.objects.count() == 1
