"""A line of a host's log is used only if all of it has the form that sshd writes. No host is needed."""

from __future__ import annotations

import pytest

from sessions_app.hosts.connectors.ssh.sshd_log import SshdLogin, login_of, parse

KEY = "SHA256:" + "a" * 43
CA = "SHA256:" + "b" * 43
PLAIN = f"Accepted publickey for satest-1 from 192.0.2.7 port 50022 ssh2: ED25519 {KEY}"
CERTIFIED = PLAIN.replace("ED25519", "ED25519-CERT") + f" ID alice/session-1 (serial 77) CA ED25519 {CA}"


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "Nov 22 02:13:04 web-1 sshd[4711]: ",
        "Nov  2 02:13:04 web-1 sshd-session[4711]: ",
        "2026-11-22T02:13:04.123456+01:00 web-1 sshd[4711]: ",
    ],
)
def test_a_login_is_read_with_its_key_and_address(stamp: str) -> None:
    assert login_of(stamp + PLAIN, "satest-1") == SshdLogin("publickey", "192.0.2.7", KEY)


def test_a_certificate_is_read_with_its_name_serial_and_authority() -> None:
    assert login_of(CERTIFIED, "satest-1") == SshdLogin("publickey", "192.0.2.7", KEY, "alice/session-1", "77", CA)


def test_a_password_and_an_address_with_a_zone_are_read() -> None:
    line = "Accepted password for satest-1 from fe80::1%eth0 port 50022 ssh2"
    assert login_of(line, "satest-1") == SshdLogin("password", "fe80::1")


@pytest.mark.parametrize(
    "line",
    [
        PLAIN.replace("satest-1", "satest-2"),
        f"Nov 22 02:13:04 web-1 sshd[4711]: Invalid user {PLAIN} from 198.51.100.1 port 5",
        f"Nov 22 02:13:04 web-1 sshd[4711]: Invalid user sshd[1]: {PLAIN}",
        f"Nov 22 02:13:04 web-1 logger[4711]: sshd[1]: {PLAIN}",
        f"{PLAIN} and more",
        PLAIN.replace("192.0.2.7", "999.0.2.7"),
        PLAIN.replace("Accepted", "Failed"),
        PLAIN.replace(KEY, "MD5:00:11"),
        PLAIN.replace("192.0.2.7", "192.0.2.7\x1b[2J"),
    ],
)
def test_anything_else_is_no_login(line: str) -> None:
    assert login_of(line, "satest-1") is None


def test_what_is_cut_off_is_read_again() -> None:
    output = f"line 1 {PLAIN}\nat 1 f:12:345\nline 2 {PLAIN}\nline 9 {PLAIN}\nat 9 f:12:345\nat 1x f\nat 2 $(reboot)\n"
    found = parse(output, {1: "satest-1", 2: "satest-1"})
    assert found is not None
    assert list(found) == [1]
    assert found[1].position == "f:12:345"
    assert found[1].logins == (SshdLogin("publickey", "192.0.2.7", KEY),)


def test_a_host_without_a_log_says_so() -> None:
    assert parse("none\n", {1: "satest-1"}) is None
