"""No request, whatever it holds, gets an error of the console's own code. `make fuzz` sends 300,000 requests."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.signals import got_request_exception
from django.db import transaction
from django.test import Client, TestCase

from sessions_app.gateway.recordings.models import RecordingText
from sessions_app.privileged.models import Status
from tests.support import builders, recordings, vault
from tests.support.fuzzing import Fuzzer, Sent, Target, targets_of

IN_ONE_TEST = 10_000  # requests that share a scene
WEIGHTS = (8, 5, 2, 3, 1, 1)  # of an administrator, a user, an approver, an auditor, an outsider, a stranger
PAGES = (200, 100, 50, 50, 30, 5)  # that are read to find links and forms, by each of them; fewer in a short run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each scene. `--requests` is the number of all requests, `--first-seed` the first seed."""
    wanted = metafunc.config.getoption("--requests")
    first = metafunc.config.getoption("--first-seed")
    counts = [IN_ONE_TEST] * (wanted // IN_ONE_TEST) + ([wanted % IN_ONE_TEST] if wanted % IN_ONE_TEST else [])
    metafunc.parametrize(("seed", "count"), [(first + number, count) for number, count in enumerate(counts)])


@pytest.fixture
def browsers(alice: User, approver: User, auditor: User, admin: User, outsider: User) -> list[Client]:
    """Return a browser for each kind of person and one of a stranger, in a console with data of every kind."""
    group = Group.objects.create(name="Operators")
    alice.groups.add(group)
    builders.make_application()
    profile = builders.make_profile(tiers=[[approver]], notes_required=True)
    builders.make_policy(users=[alice, admin], groups=[group], profile=profile)
    for status in Status:
        builders.make_session(alice, status)
    builders.make_session(admin, Status.COMPLETE)
    vault.make_secret()
    recording = recordings.make_recording()
    recordings.make_running()
    RecordingText.objects.create(recording=recording, at=1.0, text="uname -a")
    builders.make_login(alice)
    builders.make_key(alice)
    clients = [Client(raise_request_exception=False) for _ in range(6)]
    for client, person in zip(clients, (admin, alice, approver, auditor, outsider), strict=False):
        client.force_login(person)
    return clients


def by_path(targets: list[Target]) -> dict[str, list[Target]]:
    found: dict[str, list[Target]] = {}
    for target in targets:
        found.setdefault(target.path, []).append(target)
    return found


def send(sent: Sent, client: Client, raised: list[str]) -> int:
    """Send it, take the whole answer, do what follows the commit, and undo all of it. The status; 599 for what broke
    after the answer had begun."""
    cookies = dict(client.cookies)
    try:
        with transaction.atomic():
            with TestCase.captureOnCommitCallbacks(execute=True):
                answer = sent.by(client)
                if answer.streaming:
                    for _ in answer.streaming_content:
                        pass
            transaction.set_rollback(True)
    except Exception:  # noqa: BLE001 - each of them is what is looked for
        raised.append(traceback.format_exc())
        return 599
    finally:
        client.cookies.clear()
        client.cookies.update(cookies)
    status: int = answer.status_code
    return status


def test_no_request_is_answered_with_an_error_of_ours(
    browsers: list[Client], seed: int, count: int, request: pytest.FixtureRequest
) -> None:
    share = min(1, count / 1000)
    targets = [by_path(targets_of(client, int(most * share))) for client, most in zip(browsers, PAGES, strict=True)]
    logging.disable()  # a line for each refusal helps nobody
    request.addfinalizer(lambda: logging.disable(logging.NOTSET))
    fuzzer, statuses, problems, raised = Fuzzer(seed), Counter[int](), [], []

    def note(sender: Any, **kwargs: Any) -> None:
        raised.append(traceback.format_exc())

    got_request_exception.connect(note)
    try:
        for number in range(count):
            which = fuzzer.random.choices(range(len(browsers)), WEIGHTS)[0]
            sent, client = fuzzer.request(targets[which]), browsers[which]
            raised.clear()
            status = send(sent, client, raised)
            statuses[status] += 1
            if number % 50 == 0:
                cache.clear()  # so that limits do not answer everything
            if status >= 500:
                where = f"request {number} of seed {seed}, browser {which}: {str(sent)[:800]}"
                problems.append("\n".join([f"{status} to {where}", *raised]))
    finally:
        got_request_exception.disconnect(note)
    print(f"seed {seed}: {dict(sorted(statuses.items()))}, {sum(map(len, targets))} paths")  # noqa: T201 - for `make fuzz`
    assert not problems, f"{len(problems)} of {count} answers are errors of ours:\n" + "\n".join(problems[:5])
