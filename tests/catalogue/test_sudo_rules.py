"""Sudo rules are checked with visudo where there is one, else by the grammar; a check never runs what the rule says."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

from sessions_app.catalogue.sudo_rules import PLACES, problem_by_grammar, problem_of_sudo_rule

GOOD = [
    "ALL=(ALL) NOPASSWD: ALL",
    "ALL=(ALL:ALL) ALL",
    "ALL=(root) /usr/bin/systemctl restart nginx, /usr/bin/systemctl status nginx",
    "web-1,web-2=(root, www-data : adm) NOPASSWD: NOEXEC: /usr/bin/apt-get update",
    "ALL = ALL",
    r"ALL=(root) /bin/echo a\,b, !/bin/su",
    "ALL=(root) sudoedit /etc/hosts",
]
BAD = [
    "ALL=(ALL NOPASSWD: ALL",
    "ALL=(ALL) NOPASSWD: apt-get update",
    "ALL=(ALL) NOPASSWORD: ALL",
    "ALL=(root) /bin/ls,",
    "ALL=",
    "two hosts=(root) ALL",
]


@pytest.mark.parametrize("rule", GOOD)
def test_a_rule_that_sudo_takes_is_taken(rule: str) -> None:
    assert problem_by_grammar(rule) == ""
    assert problem_of_sudo_rule(rule) == ""


@pytest.mark.parametrize("rule", BAD)
def test_a_rule_that_sudo_refuses_is_refused(rule: str) -> None:
    assert problem_by_grammar(rule).startswith("sudo does not accept this rule: ")
    assert problem_of_sudo_rule(rule).startswith("sudo does not accept this rule: ")


@pytest.mark.skipif(shutil.which("visudo", path=PLACES) is None, reason="there is no visudo on this machine")
def test_visudo_says_where_the_rule_is_wrong() -> None:
    said = problem_of_sudo_rule("ALL=(ALL) NOPASSWD: apt-get update")
    assert said == "sudo does not accept this rule: expected a fully-qualified path name at “apt-get update”."


@pytest.mark.parametrize("error", [subprocess.TimeoutExpired("visudo", 5), OSError("no memory")])
def test_a_visudo_that_does_not_answer_leaves_the_grammar(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: "/usr/sbin/visudo")
    monkeypatch.setattr(subprocess, "run", fail)
    assert problem_of_sudo_rule(GOOD[0]) == ""
    assert "begins with a “(”" in problem_of_sudo_rule(BAD[0])


def test_without_visudo_the_grammar_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    assert "“apt-get update” is no command; write its whole path, or ALL" in problem_of_sudo_rule(BAD[1])
