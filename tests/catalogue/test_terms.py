"""What an activity may name on a host, and how its commands become words. No host is needed."""

from __future__ import annotations

import datetime as dt

import pytest

from sessions_app.catalogue import terms
from sessions_app.catalogue.connectors import Grant, PermanentError, TemporaryError
from sessions_app.catalogue.terms import groups_of, problem_of_commands, problems
from sessions_app.hosts.connectors.ssh.commands import words_of
from sessions_app.hosts.connectors.ssh.results import Result, failure, masked


def make_grant(user_name: str = "alice") -> Grant:
    ends_at = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    return Grant(7, "web-1", "web-1.example.com", 22, "alice-adm", user_name, (), (), ends_at)


@pytest.mark.parametrize("rule", ["ALL=(ALL) NOPASSWD: ALL", "ALL=(root) /usr/bin/systemctl restart nginx", ""])
def test_sudo_rules_that_are_taken(rule: str) -> None:
    assert problems("adm, docker", rule, "/bin/bash") == {}


@pytest.mark.parametrize(
    ("groups", "rule", "shell", "field"),
    [
        ("adm,-G", "", "/bin/sh", "unix_groups"),
        ("a b;c", "", "/bin/sh", "unix_groups"),
        ("", "ALL=(ALL) ALL\nroot ALL=(ALL) ALL", "/bin/sh", "sudo_rule"),
        ("", "ALL=(ALL) ALL\\", "/bin/sh", "sudo_rule"),
        ("", "ALL", "/bin/sh", "sudo_rule"),
        ("", "", "bash", "shell"),
        ("", "", "/bin/sh -c x", "shell"),
    ],
)
def test_what_could_leave_its_place_is_refused(groups: str, rule: str, shell: str, field: str) -> None:
    assert list(problems(groups, rule, shell)) == [field]


def test_groups_are_split_at_commas_and_spaces() -> None:
    assert groups_of(" adm, docker  www-data,") == ("adm", "docker", "www-data")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("usermod x", "whole path"),
        ("/bin/echo 'x", "cannot be read"),
        ("/bin/echo {password}", "{password}"),
        ('""', "whole path"),
        ("/bin/echo x | /bin/cat", "has “|”"),
        ("/bin/echo x>/tmp/y", "has “>”"),
        ("/bin/echo x; /bin/true", "has “;”"),
    ],
)
def test_commands_that_cannot_be_run_are_refused(line: str, reason: str) -> None:
    assert reason in problem_of_commands(f"/bin/true\n\n{line}")


def test_commands_that_can_be_run_are_taken() -> None:
    assert problem_of_commands("/bin/sed 's/a|b/\\&/' \"<;>\"\n/usr/bin/find / -exec ls {account} \\;") == ""
    assert problem_of_commands("/usr/sbin/usermod -aG wheel {account}\n\n/bin/echo 'a b' {user} {session}\n") == ""


def test_placeholders_stay_inside_their_word() -> None:
    grant = make_grant("a'; rm -rf $HOME")
    assert words_of("/bin/echo 'x y' {account}-{session} {user}", grant) == [
        "/bin/echo",
        "x y",
        "alice-adm-7",
        "a'; rm -rf $HOME",
    ]
    with pytest.raises(PermanentError, match="dash"):
        words_of("/bin/rm {user}", make_grant("-rf"))


def test_exit_codes_say_whether_another_try_can_help() -> None:
    assert isinstance(failure(Result(10, "", ""), "web-1", "alice-adm"), PermanentError)
    assert isinstance(failure(Result(124, "", ""), "web-1", "alice-adm"), TemporaryError)
    assert isinstance(failure(Result(1, "", "cp: No space left on device"), "web-1", "alice-adm"), TemporaryError)
    assert isinstance(failure(Result(1, "", "sudo: a password is required"), "web-1", "alice-adm"), PermanentError)


@pytest.mark.parametrize("text", ["--password=hunter2", "--password hunter2", "API_KEY: hunter2", "token=hunter2"])
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    assert "hunter2" not in masked(f"x {text} y")
    assert masked("/bin/ls -l") == "/bin/ls -l"


def test_tcp_targets_are_hosts_with_ports_and_nothing_else() -> None:
    good = "db.internal:5432, 10.0.0.1:22 [fd00::1]:443"
    assert terms.tcp_targets_of(good) == (("db.internal", 5432), ("10.0.0.1", 22), ("fd00::1", 443))
    assert terms.problem_of_tcp_targets(good) == ""
    for bad in ("db.internal", "db:0", "db:65536", '1"x:22', "*:22", "-o:22", "fd00::1:22"):
        assert terms.tcp_targets_of(bad) == ()
        assert bad in terms.problem_of_tcp_targets(f"{good},{bad}")


@pytest.mark.parametrize(
    "text",
    [
        "sudo: a password is required",
        "sudo: no password was provided",
        "sudo: 3 incorrect password attempts",
        "Your password has expired.",
        "passwd: password unchanged",
        "[sudo] password for alice:",
    ],
)
def test_what_a_program_says_of_passwords_stays_as_it_is(text: str) -> None:
    assert masked(text) == text
    assert masked(f"{text} password=hunter2") == f"{text} password=•••"


def test_a_secret_in_quotation_marks_is_masked_whole() -> None:
    assert masked("PASSWORD='hun ter2' next") == "PASSWORD=••• next"
    assert masked('token: "hun ter2" next') == "token: ••• next"
