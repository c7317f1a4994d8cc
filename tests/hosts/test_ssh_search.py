"""A host is searched for files that sessions left there after they are over, once for all of them, and nobody waits."""

from __future__ import annotations

import datetime as dt
import os
import pwd
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from sessions_app.hosts.connectors.ssh import search as on_host
from sessions_app.hosts.search_models import HostSearch, LeftFiles
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import search
from sessions_app.worker.search import Searcher, claim_due
from tests.support import own_accounts, sshd
from tests.support.machine import ROOT
from tests.support.ssh_scene import database_url, given, host_server, prepare, register_key, said, worked
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not own_accounts.IS_OWN, reason="all files of this machine would be searched"),
]

ELSEWHERE = Path("/home/of all")
FIND = 'nice -n 19 $idle find "$@"'
# A worker that dies when the host has answered and nothing is noted yet.
KILLED = """
import sys, django
django.setup()
from django.conf import settings
from sessions_app.hosts.connectors.ssh import search
from sessions_app.worker.search import claim_due
from tests.support import faults
settings.HOST_SEARCH_SECONDS = 20
search.SEARCH = search.SEARCH.replace("/proc/self/mountinfo", sys.argv[1])
(claim,) = claim_due()
faults.die_at(2)
claim.search()
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """Return a file with only that line of mountinfo that is about /home."""
    path = tmp_path / "mountinfo"
    lines = Path("/proc/self/mountinfo").read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if line.split()[4] == "/home"))
    return path


@pytest.fixture
def server(
    tmp_path: Path,
    mounts: Path,
    transactional_db: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    alice: User,
) -> Iterator[sshd.Server]:
    settings.HOST_SEARCH_SECONDS = 20
    monkeypatch.setattr(on_host, "SEARCH", on_host.SEARCH.replace("/proc/self/mountinfo", str(mounts)))
    with host_server(tmp_path) as running:
        prepare(running, alice)
        register_key(alice, tmp_path / "id_alice")
        ELSEWHERE.mkdir()
        yield running
        shutil.rmtree(ELSEWHERE)


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a search take half a minute, as on a host with very many files."""
    assert FIND in on_host.SEARCH
    monkeypatch.setattr(on_host, "SEARCH", on_host.SEARCH.replace(FIND, "sh -c 'sleep 30' sh \"$@\""))


def ended(user: User, *names: str) -> PrivilegedSession:
    """Return a session that left files elsewhere and ended a minute ago."""
    session = given(user)
    uid = pwd.getpwnam(session.login_account).pw_uid
    for name in names:
        path = ELSEWHERE / name
        path.write_text("x\n")
        os.chown(path, uid, uid)
    end(user, session)
    assert worked(session).status == Status.COMPLETE, said(session)
    PrivilegedSession.objects.filter(pk=session.pk).update(ended_at=timezone.now() - dt.timedelta(minutes=1))
    return session


def of_search(session: PrivilegedSession) -> list[str]:
    return [line for line in said(session) if "Left on" in line or "searched" in line]


def test_one_search_after_their_end_says_in_each_log_what_the_session_left(server: sshd.Server, alice: User) -> None:
    first = ended(alice, "a work", "a\nb")
    second = ended(alice, *(f"many-{number}" for number in range(30)))
    third = ended(alice)
    assert [of_search(one) for one in (first, second, third)] == [[], [], []]  # complete, and not searched yet
    out = StringIO()
    call_command("audit_grants", "web-1", stdout=out)
    assert "web-1 is still to be searched for files of 3 sessions." in out.getvalue()
    (claim,) = claim_due()
    assert claim_due() == []
    claim.search()
    (line,) = of_search(first)
    assert line.startswith(f"Left on web-1 by {first.login_account}, whose user id nobody gets again: ")
    assert f"file {ELSEWHERE}/a work" in line
    assert f"file {ELSEWHERE}/a?b" in line
    assert "many" not in line
    (line,) = of_search(second)
    assert line.endswith(" and 20 more")
    assert of_search(third) == [f"web-1 was searched for files that {third.login_account} left: there are none"]
    assert (ELSEWHERE / "a work").exists()
    out = StringIO()
    call_command("audit_grants", "web-1", stdout=out)
    assert f"session {first.pk}: file {ELSEWHERE}/a" in out.getvalue()
    assert "and 10 more, when the host was searched at" in out.getvalue()
    assert str(third.pk) not in [line.split(":")[0].removeprefix("session ") for line in out.getvalue().splitlines()]
    # The next one waits for its turn: a host is searched once in ten minutes.
    later = ended(alice, "later")
    assert claim_due() == []
    HostSearch.objects.update(next_at=timezone.now())
    (claim,) = claim_due()
    assert claim.sessions == [later]


def test_a_search_that_is_cut_off_is_said_and_one_that_fails_is_made_again(
    server: sshd.Server, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HOST_SEARCH_SECONDS = 1
    session = ended(alice, "work")
    with monkeypatch.context() as patch:
        patch.setattr(on_host, "SEARCH", "echo no >&2; exit 3")
        (claim,) = claim_due()
        claim.search()
    assert of_search(session) == []
    assert "no" in HostSearch.objects.get().problem
    HostSearch.objects.update(next_at=timezone.now())
    with monkeypatch.context() as patch:
        slow(patch)
        (claim,) = claim_due()
        claim.search()
    assert of_search(session) == [
        f"web-1 has more files than could be searched in 1 s for what {session.login_account} left"
    ]
    assert not HostSearch.objects.get().problem


def test_a_host_that_cannot_be_searched_for_a_day_is_given_up(
    server: sshd.Server, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = ended(alice)
    PrivilegedSession.objects.update(ended_at=timezone.now() - dt.timedelta(hours=25))
    monkeypatch.setattr(on_host, "SEARCH", "exit 3")
    (claim,) = claim_due()
    claim.search()
    assert "It is not tried again." in of_search(session)[-1]
    assert not LeftFiles.objects.exists()


def test_after_a_worker_that_was_killed_one_of_two_others_searches(
    server: sshd.Server, alice: User, mounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = ended(alice, "work")
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
    }
    done = subprocess.run([sys.executable, "-c", KILLED, str(mounts)], env=environment, cwd=ROOT, check=False)
    assert done.returncode == -9
    assert of_search(session) == []
    assert claim_due() == []  # it could still be at it
    HostSearch.objects.update(next_at=timezone.now())
    monkeypatch.setattr(search.Searcher, "every", 0.1)
    stop = threading.Event()
    searchers = [Searcher(stop), Searcher(stop)]
    for one in searchers:
        one.start()
    wait_until(lambda: bool(of_search(session)), "the host is searched")
    stop.set()
    for one in searchers:
        one.finish()
    assert len(of_search(session)) == 1
    assert f"file {ELSEWHERE}/work" in of_search(session)[0]


@pytest.mark.postgres_only
def test_of_many_workers_at_the_same_moment_one_searches(server: sshd.Server, alice: User) -> None:
    ended(alice)
    for _ in range(5):
        HostSearch.objects.update(next_at=timezone.now())
        barrier = threading.Barrier(4)
        claims: list[search.SearchClaim] = []

        def take(barrier: threading.Barrier = barrier, claims: list[search.SearchClaim] = claims) -> None:
            try:
                barrier.wait(10)
                claims.extend(claim_due())
            finally:
                connection.close()

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(claims) == 1


def test_a_worker_that_stops_gives_a_long_search_back(
    server: sshd.Server, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HOST_SEARCH_SECONDS = 3
    ended(alice)
    slow(monkeypatch)
    monkeypatch.setattr(search.Searcher, "every", 0.1)
    monkeypatch.setattr(search, "STOP_WAIT_SECONDS", 0.1)
    stop = threading.Event()
    searcher = Searcher(stop)
    searcher.start()
    wait_until(lambda: HostSearch.objects.exclude(began_at=None).exists(), "the search has begun")
    stop.set()
    searcher.finish()
    assert HostSearch.objects.get().began_at is None
    for _, thread in searcher._under_way:
        thread.join()
    assert LeftFiles.objects.filter(searched_at=None).count() == 1  # what came too late is not noted
